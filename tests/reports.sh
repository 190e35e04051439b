#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What tells an operator how a host and the fleet are: check, report, the file for Prometheus.
#
# Namespaces are named by suite_namespace; quoted programs are awk's and jq's.
# shellcheck disable=SC2016,SC2154
source "${srcdir:-.}/tests/suite.sh"
netictl=$PWD/netictl
cd "$suite_folder" || exit
export XTABLES_LOCKFILE=$suite_folder/xtables.lock

cat >hudson.yml <<YML
registry: sqlite:$PWD/registry.db
state_dir: $PWD/state
metrics_file: $PWD/neti.prom
id: hudson
network: ec2
private_ip: 10.0.0.11
public_ip: 198.51.100.11
YML

ctl() { "$netictl" -c hudson.yml "$@"; }
says() { # STATUS PATTERN COMMAND…
	local expected=$1 pattern=$2 status=0
	shift 2
	"$@" >out 2>&1 || status=$?
	cat out
	[ "$status" = "$expected" ] && grep -qE -- "$pattern" out
}
json() { # FILTER COMMAND…
	local filter=$1
	shift
	"$@" >out
	cat out
	jq -e "$filter" out
}

# --- a fleet by hand: entries that no session owns, so that they stay ---------------------------

# add_members FIRST LAST NETWORK VERSION REVISION
add_members() {
	sqlite3 registry.db >/dev/null <<SQL
WITH RECURSIVE n(i) AS (SELECT $1 UNION ALL SELECT i + 1 FROM n WHERE i < $2)
INSERT INTO node (path, parent, bytes, created, modified)
SELECT printf('/ip-map/%02x/192.168.%d.%d|10.0.%d.%d|203.0.%d.%d|$3|i-%05d', i % 64, i / 256,
		i % 256, i / 256, i % 256, i / 256, i % 256, i), printf('/ip-map/%02x', i % 64),
	'{"version":"$4","since":1763901441,"revision":$5}', 0, 0 FROM n;
SQL
}

ctl fleet init 2>/dev/null
add_members 1 30 ec2 1.1.0 1000000
add_members 31 40 vpc 1.10.0 1

expect "report counts networks and versions" json '.members == 40 and
	(.networks | map({(.name): .members}) | add) == {"ec2": 30, "vpc": 10} and
	(.versions | map({(.name): .percent}) | add) == {"1.1.0": 75, "1.10.0": 25}' \
	ctl --json report
expect "report names who is behind" json \
	'.revision > 1 and (.behind | length) == 10 and .behind[0].network == "vpc"' \
	ctl --json report
expect "report --below compares numbers" json \
	'(.below.members | length) == 30 and .below.members[0].version == "1.1.0"' \
	ctl --json report --below 1.2
expect "report --below no version" says 2 'below: "new" is not a version' ctl report --below new
expect "report for a person" says 0 '^network +ec2 +30 +75.0 %$' ctl report --below 1.2
expect "it shows twenty and says how many more" says 0 'and 10 more: --json' \
	ctl report --below 1.2

without='.inventory.without_neti == ["i-99999"] and .inventory.hosts == 3 and
	(.inventory.unknown | length) == 38'
printf '%s\n' '# hosts' i-00001 i-99999 '' i-00031 >ids
expect "inventory of ids" json "$without" ctl --json report --inventory ids
printf '%s\r\n' i-00001 ' i-99999 ' i-00031 >windows
expect "inventory of ids from Windows" json "$without" ctl --json report --inventory windows
cat >aws.json <<'JSON'
{"Reservations": [
 {"Instances": [
  {"InstanceId": "i-elsewhere", "PublicIpAddress": "203.0.0.1", "State": {"Name": "running"}},
  {"InstanceId": "i-99999", "PrivateIpAddress": "10.9.9.9", "State": {"Name": "running"}}]},
 {"Instances": [
  {"InstanceId": "i-00031", "State": {"Name": "running"}},
  {"InstanceId": "i-88888", "State": {"Name": "terminated"}}]}]}
JSON
expect "inventory of aws" json "$without" ctl --json report --inventory aws.json
jq '[.Reservations[].Instances]' aws.json >query.json
expect "inventory of aws --query" json "$without" ctl --json report --inventory query.json
{ jq '{Reservations: .Reservations[:1], NextToken: "b"}' aws.json
	jq '{Reservations: .Reservations[1:]}' aws.json; } >pages.json
pages() { ctl --json report --inventory pages.json 2>err && [ ! -s err ]; }
expect "inventory of aws in pages" json "$without" pages
jq '.NextToken = "c"' aws.json >page.json
expect "a page that is not the last says so" says 0 'page.json: more hosts stand on the pages' \
	ctl report --inventory page.json
for form in ids windows aws.json; do
	{ printf '\xef\xbb\xbf' && cat "$form"; } >marked
	expect "inventory $form with a byte order mark" json "$without" \
		ctl --json report --inventory marked
done
expect "a host that stands twice counts once" json "$without" \
	ctl --json report --inventory <(cat ids ids)
iconv -t UTF-16 ids >wide
expect "an inventory in another encoding" says 1 'wide is not text in UTF-8' \
	ctl report --inventory wide
from_stdin() { ctl --json report --inventory - <ids; }
expect "inventory on stdin" json "$without" from_stdin
expect "no such inventory" says 1 'cannot read the inventory absent: No such file' ctl report --inventory absent
: >empty
expect "an empty inventory" says 1 'empty names no host' ctl report --inventory empty
echo '{"Reservations": [' >broken
mkfifo pipe
expect "an inventory that nobody writes" says 1 'pipe names no host' \
	timeout 5 "$netictl" -c hudson.yml report --inventory pipe
expect "an inventory without an end" says 1 'inventory /dev/zero: it is a pipe, a socket or a device' \
	timeout 5 "$netictl" -c hudson.yml report --inventory /dev/zero
expect "an inventory that is a folder" says 1 'inventory [.]: Is a directory' \
	timeout 5 "$netictl" -c hudson.yml report --inventory .
for place in pipe /dev/zero; do
	expect "settings from $place" says 2 "$place: cannot be read: it is a pipe, a socket or a device" \
		timeout 5 "$netictl" -c "$place" list
done
expect "a registry file that is a pipe" says 1 'pipe is a pipe, a socket or a device' \
	timeout 5 "$netictl" -c hudson.yml --registry "sqlite:$PWD/pipe" list
expect "a broken inventory" says 1 '^netictl: broken:[0-9]+: ' ctl report --inventory broken

# --- check ---------------------------------------------------------------------------------------

expect "check without an agent is critical" says 2 '^NETI CRITICAL: no agent runs' ctl check
echo 'colour: red' >bad.yml
expect "check with bad settings is unknown" says 3 '^NETI UNKNOWN: .*colour' \
	"$netictl" -c bad.yml check
expect "check with a bad option is unknown" says 3 'takes no --all' ctl check --all

if ! suite_namespace host; then
	skip "no network namespace for this user"
	suite_end
fi
rm -f registry.db*
"${host[@]}" "$netictl" -c hudson.yml run >/dev/null 2>run.err </dev/null &
agent=$!
healthy() {
	local _
	for _ in $(seq 100); do
		ctl check >out && return
		sleep 0.1
	done
	cat out run.err run.list
	return 1
}
expect "check beside a healthy agent" healthy
performance="members=[0-9]+;;;0( '?[a-z_-]+'?=[0-9.]+(s|c)?(;[0-9]*){0,4})+$"
expect "one line with figures" says 0 "^NETI OK: hudson is 192[^|]* \| $performance" ctl check
one_line() { [ "$(ctl check | wc -l)" = 1 ]; }
expect "one line" one_line

# Somebody without rights, and the folder in which anybody may make anything.
chmod 755 "$suite_folder"
powerless=(env)
[ "$(id -u)" != 0 ] || powerless=(setpriv --bounding-set=-all --inh-caps=-all
	--ambient-caps=-all --reuid=65534 --regid=65534 --clear-groups)
powerless+=("$netictl" -c hudson.yml)
modes() { [ "$(cd state && stat -c '%n %a' lock status | paste -sd' ')" = 'lock 600 status 644' ]; }
expect "the lock is private, the status is not" modes
expect "check without rights" says 0 '^NETI OK: hudson' "${powerless[@]}" check
expect "status without rights" says 0 '^id +hudson' "${powerless[@]}" status
for name in "neti.prom.new-$agent" neti.prom.new neti.prom.tmp; do
	mkfifo "$name"
done

# What a healthy agent does not write is put into the status of one that stands still.
wait_for_metrics() {
	local _
	for _ in $(seq 50); do
		grep -q 'neti_members 1' neti.prom && return
		sleep 0.1
	done
	return 1
}
expect "the file for Prometheus is written" wait_for_metrics
kill -STOP "$agent"
cp state/status healthy
with() { # JQ-FILTER
	jq --argjson now "$(date +%s)" ".written_at = \$now | del(.beat) | $1" healthy >state/status
}
judges() { # STATUS PATTERN JQ-FILTER
	with "$3" && says "$1" "$2" ctl check
}
expect "unchanged it is healthy" judges 0 'NETI OK' .
expect "a status without a word for long" judges 2 'has not updated its status for 1[0-9][0-9] s' '.written_at = $now - 100'
expect "the same without rights" says 2 '^NETI CRITICAL' "${powerless[@]}" check
expect "held removals" judges 1 'WARNING: 7 removals are held by the guard \|.* held=7;0' '.held = 7'
expect "drift a minute ago" judges 1 'drift was repaired [0-9]+ s ago' '.repaired_at = $now - 60'
expect "drift an hour ago" judges 0 'NETI OK' '.repaired_at = $now - 3600'
expect "not in sync" judges 1 'not in sync for [0-9]+ s' '.behind_since = $now - 100'
expect "not in sync for a moment" judges 0 'NETI OK' '.behind_since = $now - 2'
expect "a silent agent" judges 2 'not updated its status for [0-9]+ s' '.written_at = $now - 100'
expect "registry away" judges 1 'registry suspended' '.registry = "suspended"'
expect "registry refuses" judges 2 'refuses this host' '.registry = "refused"'
expect "trouble, with what would break the line" judges 2 'CRITICAL: a / b / c \|' \
	'.trouble = "a | b \n c"'
expect "a table at 80 %" judges 1 'table overlay is 80 % full' \
	'.tables.overlay = {entries: 80, max: 100}'
expect "a table below" judges 0 'NETI OK' '.tables.overlay = {entries: 79, max: 100}'
expect "a table at 95 %" judges 2 'table overlay is 95 % full' \
	'.tables.overlay = {entries: 95, max: 100}'
expect "the worst stands first" judges 2 'CRITICAL: bad; 7 removals' '.held = 7 | .trouble = "bad"'
expect "entries that cannot be read" judges 1 '2 registry entries' '.skipped = 2'
echo '{' >state/status
expect "a broken status is unknown" says 3 'UNKNOWN' ctl check
cp healthy state/status

# --- Prometheus ------------------------------------------------------------------------------------

# The text format as its specification has it; names as Prometheus wants them.
parse_metrics() {
	awk '
	function bad(why) { print FILENAME ":" FNR ": " why ": " $0; failed = 1 }
	/^# HELP / { if ($3 in help) bad("second HELP"); help[$3] = 1; if (NF < 4) bad("no text"); next }
	/^# TYPE / {
		if (!($3 in help)) bad("TYPE before HELP")
		if ($4 !~ /^(gauge|counter|summary)$/) bad("type")
		if ($4 == "counter" && $3 !~ /_total$/) bad("a counter ends in _total")
		if ($4 != "counter" && $3 ~ /_total$/) bad("_total is for counters")
		type[$3] = $4; family = $3; next
	}
	!/^neti_[a-z_]+(\{([a-z_]+="([^"\\]|\\["n\\])*",?)+\})? -?[0-9.]+$/ { bad("no sample"); next }
	{
		name = $0; sub(/[{ ].*/, "", name)
		base = name; if (type[family] == "summary") sub(/_(sum|count)$/, "", base)
		if (base != family) bad("not of the family above it")
		sample = $0; sub(/ [^ ]*$/, "", sample)
		if (seen[sample]++) bad("second sample")
		n++
	}
	END { exit failed || n < 15 }' "$1"
}
whole() { [ "$(tail -c 1 neti.prom | od -An -tx1)" = " 0a" ] && [ "$(find . -name 'neti.prom*' -type f | wc -l)" = 1 ]; }
expect "the file parses" parse_metrics neti.prom
expect "it ends with a line and leaves no other file" whole
for name in up info members held_removals skipped_entries applied_revision registry_revision \
	applied_age_seconds commit_seconds_count drift_repairs_total denied_packets \
	'registry_state{state="connected"} 1' 'table_entries{table="peers"}' \
	'table_size{table="overlay"} 163'; do
	expect "it has $name" grep -qF "neti_$name" neti.prom
done

# --- the agent again ---------------------------------------------------------------------------------

kill -CONT "$agent"
expect "the running agent is in sync" json \
	'.members == 1 and .behind == [] and .held == [] and .versions[0].percent == 100' \
	ctl --json report
kill "$agent"
wait "$agent"
expect "status without rights after its end" says 1 'no agent runs' "${powerless[@]}" status
expect "check without rights after its end" says 2 'CRITICAL: no agent runs' "${powerless[@]}" check
expect "a file of an agent that ended says so" grep -qx 'neti_up 0' neti.prom
suite_end
