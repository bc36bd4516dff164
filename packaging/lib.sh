# Shared by packaging/quickstart and packaging/check: what kvfs needs to be built,
# and how to get it on Debian 12. Sourced by bash; sets no options of its own.

KVFS_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# To build and mount.
KVFS_BUILD_PACKAGES=(
  g++ cmake ninja-build pkg-config ccache git
  protobuf-compiler libprotobuf-dev libfuse3-dev fuse3 libsnappy-dev libssl-dev libxxhash-dev
  libcli11-dev libspdlog-dev libfmt-dev nlohmann-json3-dev libsqlite3-dev libzmq3-dev
  libtomlplusplus-dev libgtest-dev libgmock-dev
)
# The programs that the tests drive a mount with.
KVFS_TEST_PACKAGES=(
  python3 tar rsync git sqlite3 fio attr acl libacl1-dev e2fsprogs xfsprogs util-linux procps psmisc
  strace iproute2 nftables dpkg-dev systemd man-db zsh chromium fonts-dejavu-core
)
# The engines that engine_bench compares with; it is built without them where they are missing.
KVFS_BENCH_PACKAGES=(libleveldb-dev librocksdb-dev)
# packaging/check --long: the fuzz preset is built with clang.
KVFS_LONG_PACKAGES=(clang)

say() { printf '%s: %s\n' "${0##*/}" "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# Runs a command as root: directly, or through sudo.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else die "this needs root, and sudo is not installed: run me as root, or first run: $*"; fi
}

# Installs what is missing of the packages named; touches apt only then.
need_packages() {
  local missing=() package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
      missing+=("$package")
  done
  if [ ${#missing[@]} = 0 ]; then say "all packages needed are installed"; return; fi
  command -v apt-get >/dev/null || die "not a Debian system; please install: ${missing[*]}"
  say "installing ${#missing[@]} packages: ${missing[*]}"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q >/dev/null ||
    die "apt-get update failed"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
    "${missing[@]}" >/dev/null || die "could not install: ${missing[*]}"
}

# Configures a preset and builds it, or only the targets named after it.
build_preset() {
  local preset=$1 targets=() target
  shift
  for target in "$@"; do targets+=(--target "$target"); done
  say "building preset $preset on $(nproc) processors (the first time takes minutes)"
  (cd "$KVFS_ROOT" && cmake --preset "$preset" >"$KVFS_ROOT/.configure.log" 2>&1) ||
    { cat "$KVFS_ROOT/.configure.log" >&2; die "configuring preset $preset failed"; }
  rm -f "$KVFS_ROOT/.configure.log"
  cmake --build "$KVFS_ROOT/build/$preset" -j"$(nproc)" "${targets[@]}" ||
    die "building preset $preset failed"
}
