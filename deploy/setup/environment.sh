# Sourced by up.sh and down.sh: the settings of this checkout. What the caller exported wins over the file .env.
if [ -f .env ]; then
  while IFS= read -r line || [ -n "$line" ]; do
    [[ $line =~ ^[A-Z][A-Z0-9_]*= ]] || continue
    name=${line%%=*}
    value=${line#*=}
    if [[ $value =~ ^\"(.*)\"$ || $value =~ ^\'(.*)\'$ ]]; then value=${BASH_REMATCH[1]}; fi
    [ -n "${!name+set}" ] || export "$name=$value"
  done < .env
fi
export HOST=${HOST:-127.0.0.1} PORT=${PORT:-8000} LUCID_DATA_DIR=${LUCID_DATA_DIR:-$PWD/data}
pid_file=$LUCID_DATA_DIR/up.pid

# The process id of a running `make up` of this data folder; nothing where there is none. A number alone proves
# nothing after a restart of the machine, so the process must also be ours by its command line.
running() {
  local pid
  pid=$(cat "$pid_file" 2>/dev/null) || return 0
  if tr '\0' ' ' 2>/dev/null < "/proc/$pid/cmdline" | grep -q -- '-m services '; then echo "$pid"; fi
}
