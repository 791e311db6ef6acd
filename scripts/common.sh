# shellcheck shell=bash
# What the scripts share; sourced by them from the project's folder.

# Packages named in files, one a line or several; # starts a comment.
packages_in() {
    sed 's/#.*//' "$@" | tr -s '[:space:]' '\n' | sed '/^$/d' | sort -u
}

# Packages of these that are not installed.
missing_packages() {
    local package
    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || echo "$package"
    done
}

# Installs what is missing of the packages named in files; without root it says how and fails.
install_packages() {
    local -a wanted missing
    mapfile -t wanted < <(packages_in "$@")
    mapfile -t missing < <(missing_packages "${wanted[@]}")
    if ((${#missing[@]} == 0)); then
        return 0
    fi
    if ((EUID != 0)); then
        echo "These packages are missing; install them first: apt-get install ${missing[*]}" >&2
        return 1
    fi
    echo "Installing ${missing[*]}"
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "${missing[@]}" >/dev/null
}

# Builds a preset of CMakePresets.json in build/NAME: all of it, or the targets given.
build_preset() {
    local preset=$1
    shift
    if [[ ! -e build/$preset/CMakeCache.txt ]]; then
        export CMAKE_GENERATOR=Ninja
    fi
    cmake --preset "$preset" >"build/$preset.log" 2>&1 || { cat "build/$preset.log" >&2; return 1; }
    cmake --build --preset "$preset" --parallel "$(nproc)" ${1:+--target "$@"}
}
