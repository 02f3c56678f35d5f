#!/bin/sh
# Makes the sandbox image by both recipes, build.sh and Dockerfile, and compares what is in them. Some minutes.
#
#   SANDBOX_BASE         the Dockerfile's base    (debian:bookworm-slim if it is here, else one by mmdebstrap)
#   SANDBOX_CA_BUNDLE    certificates to trust for downloads, where the network opens TLS
set -eu
image=lucid-sandbox-check-build:$$
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
built=lucid-sandbox-check:$$
base=${SANDBOX_BASE:-debian:bookworm-slim}
made_base=
trap 'rm -rf "$work"; docker image rm -f "$image" "$built" $made_base >/dev/null 2>&1 || true' EXIT

# What one can tell an image by: versions, the user, folders, variables, whether anything may become root.
cat >"$work/look" <<'EOF'
set -eu
dpkg-query -W -f '${Package} ${Version}\n' $(sed -e '/^#/d' -e '/^$/d' "$1")
for tool in "node --version" "npm --version" "npx --version" "go version" "gofmt -h" "git --version" "git lfs version" \
    "python --version" "python3 -m pip --version" "gcc --version" "g++ --version" "make --version" "rg --version" \
    "jq --version" "curl --version" "unzip -v" "bash --version" "pkg-config --version"; do
    printf '%s: %s\n' "$tool" "$($tool 2>&1 | head -n 1)"
done
id
stat -c '%n %U:%G %a' /workspace /var/lib/lucid /home/sandbox /tmp
env | grep -v -e '^HOSTNAME=' -e '^HOME=' -e '^PWD=' -e '^OLDPWD=' -e '^_=' -e '^SHLVL=' | LC_ALL=C sort
echo "set-user-id programs: $(find / -xdev -perm /6000 -type f 2>/dev/null | wc -l)"
cd /tmp && printf 'package main\nfunc main() { println("go runs") }\n' >a.go && GOCACHE=/tmp/c go run a.go 2>&1
printf '#include <cstdio>\nint main() { puts("c++ runs"); }\n' >a.cc && g++ a.cc -o a && ./a
python3 -m venv v && v/bin/python -c 'print("venv runs")'
node -e 'console.log("node runs")'
EOF
look() {
    docker run --rm --network none --tmpfs /tmp:exec -v "$work/look:/look:ro" -v "$here/packages.txt:/packages.txt:ro" \
        --entrypoint sh "$1" /look /packages.txt >"$2"
}

SANDBOX_IMAGE=$image "$here/build.sh"
look "$image" "$work/build.sh"
if ! docker image inspect "$base" >/dev/null 2>&1 && ! docker pull -q "$base" >/dev/null 2>&1; then
    made_base=lucid-sandbox-check-base:$$
    base=$made_base
    mmdebstrap --quiet --variant=minbase --format=tar bookworm - | docker import - "$base" >/dev/null
fi
cp "$here/Dockerfile" "$here"/*.txt "$here/customize.sh" "$work/"
[ -z "${SANDBOX_CA_BUNDLE:-}" ] || cp "$SANDBOX_CA_BUNDLE" "$work/ca.crt"
DOCKER_BUILDKIT=${DOCKER_BUILDKIT:-0} docker build -q --build-arg "BASE=$base" -t "$built" "$work" >/dev/null
look "$built" "$work/Dockerfile"

if diff -u "$work/build.sh" "$work/Dockerfile"; then
    echo "both recipes give the same: $(wc -l <"$work/build.sh") lines compared"
    docker image inspect --format '{{.Size}}' "$image" "$built" | awk '{printf "%d MB\n", $1 / 1e6}'
else
    echo "the two recipes differ (above)" >&2
    exit 1
fi
