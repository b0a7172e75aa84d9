#!/bin/bash
# Fetches the systemd of Debian 13, with the libraries that it needs, for the tests where the machine's own is too old to
# wait for reloads. Nothing is installed: the packages are unpacked below a directory, and a lab lays their /usr over its
# own, see lab.ts. It takes apt-get, about 13 MB from Debian's mirror, and no root.
#
#     fetch_systemd.sh DIRECTORY
#     IPC_TEST_SYSTEMD=DIRECTORY deno task faults
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: fetch_systemd.sh DIRECTORY" >&2; exit 64; }
directory=$1
[ ! -e "$directory/usr/lib/systemd/systemd" ] || exit 0

suite=trixie
keys=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e "$keys" ] || { echo "fetch_systemd.sh: there are no keys of Debian's at $keys" >&2; exit 69; }
# From where this machine gets its packages, if it is a Debian.
# shellcheck disable=SC2016 # apt-get fills that in
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' 2>/dev/null | head -n 1) || true

mkdir -p "$(dirname "$directory")"
work=$(mktemp -d "$directory.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{lists/partial,archives/partial,root/usr/{bin,sbin,lib,lib64}}
for name in bin sbin lib lib64; do ln -s "usr/$name" "$work/root/$name"; done
echo "deb [signed-by=$keys] ${mirror:-http://deb.debian.org/debian} $suite main" >"$work/sources.list"
: >"$work/status"

# A world of its own, in which nothing is installed: what has to be there is then fetched, too.
apt=(
  apt-get -qq
  -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
  -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
  -o "Dir::State=$work" -o "Dir::State::Lists=$work/lists" -o "Dir::State::Status=$work/status"
  -o "Dir::Cache=$work" -o "Dir::Cache::Archives=$work/archives"
  -o APT::Sandbox::User= -o APT::Install-Recommends=false -o pkgCacheGen::ForceEssential=none
  -o Acquire::Languages=none -o Acquire::Retries=1
  -o Acquire::http::Timeout=10 -o Acquire::https::Timeout=10
)
"${apt[@]}" update
"${apt[@]}" install --yes --download-only systemd
for package in "$work"/archives/*.deb; do dpkg-deb --extract "$package" "$work/root"; done
chmod 755 "$work/root"
mv -T "$work/root" "$directory"
