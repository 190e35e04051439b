# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Validates a value against a definition of schema/netictl.json, for as much of JSON Schema as
# that uses, and strictly: a key that the schema does not name is told too. Prints what is
# wrong, a line each; nothing when all is right.
#	jq -r --slurpfile schema schema/netictl.json --arg name list -f schema.jq

def kind: if type == "number" and . == floor then "integer" else type end;

def check($s; $at):
	if $s | has("$ref") then
		check($schema[0]["$defs"][$s["$ref"] | ltrimstr("#/$defs/")]; $at)
	elif $s | has("anyOf") then
		. as $value | [$s.anyOf[] | [. as $one | $value | check($one; $at)]] as $ways |
		if any($ways[]; . == []) then empty else $ways[-1][] end
	else
		. as $value | ($value | kind) as $kind |
		([$s.type // empty] | flatten) as $types |
		(if ($types | length) > 0 and ($types | index($kind) | not) and
			(($kind == "integer" and ($types | index("number"))) | not)
		 then "\($at): \($kind) where \($types | join(" or ")) stands" else empty end),
		(if ($s | has("enum")) and ($s.enum | index($value) | not)
		 then "\($at): \($value) is none of \($s.enum)" else empty end),
		(if $kind == "object" then
			(($s.required // [])[] | select(. as $key | $value | has($key) | not) |
				"\($at): lacks \(.)"),
			($value | to_entries[] | . as $entry |
				($s.properties[$entry.key] // $s.additionalProperties) as $inner |
				if $inner then $entry.value | check($inner; "\($at).\($entry.key)")
				elif $s.properties then "\($at): \($entry.key) is not in the schema"
				else empty end)
		 else empty end),
		(if $kind == "array" and ($s | has("items")) then
			range($value | length) as $i | $value[$i] | check($s.items; "\($at)[\($i)]")
		 else empty end)
	end;

check($schema[0]["$defs"][$name]; $name)
