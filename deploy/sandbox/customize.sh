#!/bin/sh
# Run by mmdebstrap on the finished root: the user, and the two folders that volumes are mounted on.
set -eu
root=$1
chroot "$root" useradd --uid 1000 --user-group --create-home --shell /bin/bash sandbox
for folder in /workspace /var/lib/lucid; do
    mkdir -p "$root$folder"
    chroot "$root" chown 1000:1000 "$folder"
done
ln -sf python3 "$root/usr/bin/python"
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/var/log/*
# A sandbox writes nowhere but to its volumes and /tmp; set-user-id programs have no use there.
find "$root" -xdev -perm /6000 -type f -exec chmod a-s {} +
