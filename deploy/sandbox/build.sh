#!/bin/sh
# Makes the sandbox image without a container registry: mmdebstrap from Debian's mirror, then `docker import`.
# Does nothing if the image is there with the same content. The tarball is kept for the next engine.
# With a registry: docker build -f deploy/sandbox/Dockerfile deploy/sandbox
#
#   SANDBOX_IMAGE        name of the image         (lucid-sandbox:latest)
#   SANDBOX_CACHE_DIR    where the tarball is kept (~/.cache/lucid)
#   SANDBOX_SUITE        Debian release            (bookworm)
#   SANDBOX_MIRROR       address of a mirror       (mmdebstrap's own choice for the release)
#   SANDBOX_CA_BUNDLE    certificates to trust besides Debian's (none)
set -eu

image=${SANDBOX_IMAGE:-lucid-sandbox:latest}
cache=${SANDBOX_CACHE_DIR:-${HOME:-/root}/.cache/lucid}
suite=${SANDBOX_SUITE:-bookworm}
here=$(cd "$(dirname "$0")" && pwd)

lines() { sed -e '/^#/d' -e '/^$/d' "$1"; }
packages=$(lines "$here/packages.txt" | LC_ALL=C sort | paste -sd, -)
content=$({
    printf '%s %s\n' "$suite" "$packages"
    cat "$here/tools.txt" "$here/leave-out.txt" "$here/env.txt" "$here/customize.sh" ${SANDBOX_CA_BUNDLE:+"$SANDBOX_CA_BUNDLE"}
} | sha256sum | cut -c1-16)
tarball=$cache/sandbox-$content.tar

there=$(docker image inspect --format '{{index .Config.Labels "lucid.content"}}' "$image" 2>/dev/null || true)
if [ "$there" = "$content" ]; then
    echo "$image is up to date ($content)"
    exit 0
fi

if [ ! -f "$tarball" ]; then
    command -v mmdebstrap >/dev/null || { echo "mmdebstrap is missing: apt-get install mmdebstrap" >&2; exit 1; }
    mkdir -p "$cache"
    unfinished=$tarball.$$
    options=$unfinished.dpkg
    trap 'rm -f "$unfinished" "$options"' EXIT
    lines "$here/leave-out.txt" >"$options"
    mmdebstrap --quiet --variant=apt --include="$packages" \
        --dpkgopt="$options" \
        --customize-hook="$here/customize.sh \"\$1\"" \
        --format=tar "$suite" "$unfinished" ${SANDBOX_MIRROR:+"$SANDBOX_MIRROR"}
    mv "$unfinished" "$tarball"
    rm -f "$options"
    trap - EXIT
fi

set -- --change 'USER sandbox' --change 'WORKDIR /workspace' --change 'CMD ["sleep","infinity"]' \
    --change "LABEL lucid.content=$content"
for variable in $(lines "$here/env.txt"); do set -- "$@" --change "ENV $variable"; done
docker import "$@" "$tarball" "$image" >/dev/null
echo "$image made ($content)"
