# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The networks of the demonstration: two private networks with the same addresses, each behind
# a router that does 1:1 NAT, and the internet between them. Sourced by demo.sh.

# A command in a host's network namespace, with an xtables lock of its own: they are one machine
# only here.
in_host() {
	local host=$1
	shift
	XTABLES_LOCKFILE=$folder/$host.lock nsenter --net="/run/netns/$host" "$@"
}

# Two hosts, each with the name of its end of the cable between them.
cable() {
	ip -n "$1" link add "$2" type veth peer name "$4" netns "$3"
	ip -n "$1" link set "$2" up
	ip -n "$3" link set "$4" up
}

add_host() {
	ip netns add "$1"
	ip -n "$1" link set lo up
}

# A private network: a bridge for its hosts, and the way out with the public addresses.
add_router() {
	local name=$1 gateway=$2
	add_host "$name"
	ip -n "$name" link add inside type bridge
	ip -n "$name" link set inside up
	ip -n "$name" address add 10.0.0.1/24 dev inside
	cable internet "$name" "$name" outside
	ip -n internet address add "$gateway/24" dev "$name"
	in_host "$name" sysctl -qw net.ipv4.ip_forward=1
}

# A host of a private network, its public address, and the router's 1:1 NAT between the two.
add_private_host() {
	local host=$1 router=${network[$1]} gateway=$2
	add_host "$host"
	cable "$host" eth0 "$router" "$host"
	ip -n "$router" link set "$host" master inside
	ip -n "$host" address add "${private[$host]}/24" dev eth0
	ip -n "$host" route add default via 10.0.0.1
	ip -n "$router" address add "${public[$host]}/24" dev outside
	ip -n "$router" route replace default via "$gateway"
	in_host "$router" iptables-legacy -t nat -A PREROUTING -i outside \
		-d "${public[$host]}" -j DNAT --to-destination "${private[$host]}"
	in_host "$router" iptables-legacy -t nat -A POSTROUTING -o outside \
		-s "${private[$host]}" -j SNAT --to-source "${public[$host]}"
}

make_networks() {
	mkdir -p /run/netns
	mount -t tmpfs netns /run/netns
	add_host internet
	in_host internet sysctl -qw net.ipv4.ip_forward=1
	add_router ec2 198.51.100.1
	add_router vpc 203.0.113.1
	add_private_host hudson 198.51.100.1
	add_private_host sierra 198.51.100.1
	add_private_host intruder 198.51.100.1
	add_private_host walden 203.0.113.1
	add_host outsider
	cable internet outsider outsider eth0
	ip -n internet address add 192.0.2.1/24 dev outsider
	ip -n internet address add "$zookeeper_address/24" dev outsider
	ip -n outsider address add "$outsider/24" dev eth0
	ip -n outsider route add default via 192.0.2.1
}

print_map() {
	local where="embedded, one file for all"
	[ -z "$zookeeper" ] || where="ZooKeeper at $zookeeper_address"
	cat <<MAP

            outsider 192.0.2.66        registry: $where
                            \\         /
       198.51.100.x -------- internet -------- 203.0.113.x
            |                                       |
    ec2, router with 1:1 NAT                vpc, router with 1:1 NAT
         10.0.0.0/24                             10.0.0.0/24
      |        |        |                             |
   hudson   sierra   intruder                      walden
     .11      .12      .66                           .11
   (Neti)   (Neti)  (no member)                    (Neti)

  Overlay 192.168.0.0/18. Each line below is typed on the host before the "#" and followed
  by its real output.
MAP
}
