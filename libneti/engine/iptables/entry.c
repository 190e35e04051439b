/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rules as kernel bytes. The revisions are the newest that iptables-save of this decade
 * prints: a lower one is taken by the kernel too, but cannot be saved and restored.
 */
#include <errno.h>
#include <netinet/in.h> /* before the kernel headers, which then leave its types alone */
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_set.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv4/ipt_REJECT.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <string.h>

#include "entry.h"

#define HEADER sizeof(struct xt_entry_match) /* a target's is of the same size */
#define SYN_MASK 0x17			     /* FIN, SYN, RST, ACK */
#define SYN_ONLY 0x02

#define CONNTRACK_REVISION 3
#define SET_MATCH_REVISION 4
#define SET_TARGET_REVISION 3
#define DNAT_REVISION 2

/* Where the two families keep what both have. */
static const struct layout {
	size_t size, ip_size, target_offset, next_offset;
} layouts[] = {
	{ sizeof(struct ipt_entry), sizeof(struct ipt_ip),
		offsetof(struct ipt_entry, target_offset),
		offsetof(struct ipt_entry, next_offset) },
	{ sizeof(struct ip6t_entry), sizeof(struct ip6t_ip6),
		offsetof(struct ip6t_entry, target_offset),
		offsetof(struct ip6t_entry, next_offset) },
};

static const struct layout *layout_of(uint8_t family)
{
	return &layouts[family == AF_INET6];
}

static uint16_t offset_at(const void *entry, size_t where)
{
	uint16_t offset;

	memcpy(&offset, (const char *)entry + where, sizeof(offset));
	return offset;
}

/* Room for a match or a target, zeroed, with its header; returns where the data go. */
static void *extend(struct entry *entry, const char *name, uint8_t revision, size_t size)
{
	struct xt_entry_match *part = (void *)(entry->bytes + entry->length);
	size_t length = HEADER + XT_ALIGN(size);

	memset(part, 0, length);
	part->u.user.match_size = (uint16_t)length;
	memccpy(part->u.user.name, name, 0, sizeof(part->u.user.name) - 1);
	part->u.user.revision = revision;
	entry->length += length;
	return part->data;
}

static void put_prefix(const struct prefix *prefix, unsigned char *address, unsigned char *mask)
{
	size_t size = address_bits(&prefix->address) / 8;

	if (prefix->length == 0)
		return;
	memcpy(address, prefix->address.bytes, size);
	memset(mask, 0xff, prefix->length / 8);
	if (prefix->length % 8)
		mask[prefix->length / 8] = (unsigned char)(0xff00 >> (prefix->length % 8));
}

static void put_interface(const struct rule *rule, char *name, unsigned char *mask)
{
	if (!rule->match.loopback)
		return;
	memcpy(name, "lo", sizeof("lo"));
	memset(mask, 0xff, sizeof("lo"));
}

static void put_ipv4(const struct rule *rule, struct ipt_ip *ip)
{
	put_prefix(&rule->match.source, (void *)&ip->src, (void *)&ip->smsk);
	put_prefix(&rule->match.destination, (void *)&ip->dst, (void *)&ip->dmsk);
	put_interface(rule, ip->iniface, ip->iniface_mask);
	ip->proto = rule->match.protocol;
	ip->flags = rule->target == RULE_GOTO ? IPT_F_GOTO : 0;
}

static void put_ipv6(const struct rule *rule, struct ip6t_ip6 *ip)
{
	put_prefix(&rule->match.source, (void *)&ip->src, (void *)&ip->smsk);
	put_prefix(&rule->match.destination, (void *)&ip->dst, (void *)&ip->dmsk);
	put_interface(rule, ip->iniface, ip->iniface_mask);
	ip->proto = rule->match.protocol;
	ip->flags = (rule->target == RULE_GOTO ? IP6T_F_GOTO : 0) |
		    (rule->match.protocol ? IP6T_F_PROTO : 0);
}

static void put_tcp(const struct rule *rule, struct entry *entry)
{
	struct xt_tcp *tcp = extend(entry, "tcp", 0, sizeof(*tcp));

	tcp->spts[1] = 0xffff;
	tcp->dpts[0] = rule->match.low;
	tcp->dpts[1] = rule->match.high ? rule->match.high : 0xffff;
	if (rule->match.syn || rule->match.not_syn) {
		tcp->flg_mask = SYN_MASK;
		tcp->flg_cmp = SYN_ONLY;
		tcp->invflags = rule->match.not_syn ? XT_TCP_INV_FLAGS : 0;
	}
}

static void put_udp(const struct rule *rule, struct entry *entry)
{
	struct xt_udp *udp = extend(entry, "udp", 0, sizeof(*udp));

	udp->spts[1] = 0xffff;
	udp->dpts[0] = rule->match.low;
	udp->dpts[1] = rule->match.high ? rule->match.high : 0xffff;
}

static void put_states(const struct rule *rule, struct entry *entry)
{
	struct xt_conntrack_mtinfo3 *info =
		extend(entry, "conntrack", CONNTRACK_REVISION, sizeof(*info));

	info->match_flags = XT_CONNTRACK_STATE;
	if (rule->match.states & STATE_NEW)
		info->state_mask |= XT_CONNTRACK_STATE_BIT(IP_CT_NEW);
	if (rule->match.states & STATE_RELATED)
		info->state_mask |= XT_CONNTRACK_STATE_BIT(IP_CT_RELATED);
	if (rule->match.states & STATE_ESTABLISHED)
		info->state_mask |= XT_CONNTRACK_STATE_BIT(IP_CT_ESTABLISHED);
}

static void put_set(const struct rule *rule, struct entry *entry, const uint16_t sets[SETS])
{
	struct xt_set_info_match_v4 *info = extend(entry, "set", SET_MATCH_REVISION, sizeof(*info));

	info->match_set.index = sets[rule->set];
	info->match_set.dim = rule->set == SET_DENIED ? IPSET_DIM_TWO : IPSET_DIM_ONE;
	info->match_set.flags = IPSET_DIM_ONE_SRC;
	if (rule->set == SET_DENIED)
		info->match_set.flags |= IPSET_INV_MATCH;
}

static void put_matches(const struct rule *rule, struct entry *entry, const uint16_t sets[SETS])
{
	/* Both families: type, lowest and highest code, inversion. */
	unsigned char icmp[4] = { rule->match.icmp_type, 0, 0xff, 0 };

	if (rule->match.typed)
		memcpy(extend(entry, rule->match.protocol == IPPROTO_ICMPV6 ? "icmp6" : "icmp", 0,
			       sizeof(icmp)),
			icmp, sizeof(icmp));
	if (rule->match.protocol == IPPROTO_TCP &&
		(rule->match.high || rule->match.syn || rule->match.not_syn))
		put_tcp(rule, entry);
	if (rule->match.protocol == IPPROTO_UDP && rule->match.high)
		put_udp(rule, entry);
	if (rule->match.states)
		put_states(rule, entry);
	if (rule->set != SET_NONE)
		put_set(rule, entry, sets);
}

static void put_add(struct entry *entry, const uint16_t sets[SETS])
{
	struct xt_set_info_target_v3 *info =
		extend(entry, "SET", SET_TARGET_REVISION, sizeof(*info));

	info->add_set.index = sets[SET_DENIED];
	info->add_set.dim = IPSET_DIM_TWO;
	info->add_set.flags = IPSET_DIM_ONE_SRC;
	info->del_set.index = IPSET_INVALID_ID;
	info->map_set.index = IPSET_INVALID_ID;
	info->timeout = UINT32_MAX;
}

static void put_dnat(const struct rule *rule, struct entry *entry)
{
	struct nf_nat_range2 *range = extend(entry, "DNAT", DNAT_REVISION, sizeof(*range));

	range->flags = NF_NAT_RANGE_MAP_IPS;
	memcpy(&range->min_addr, rule->to.bytes, address_bits(&rule->to) / 8);
	memcpy(&range->max_addr, rule->to.bytes, address_bits(&rule->to) / 8);
}

/* The library turns these names into verdicts and jumps. */
static const char *const verdicts[] = {
	[RULE_ACCEPT] = "ACCEPT", [RULE_DROP] = "DROP", [RULE_RETURN] = "RETURN"
};

static void put_target(const struct rule *rule, struct entry *entry, const uint16_t sets[SETS])
{
	struct ipt_reject_info *reject;

	switch (rule->target) {
	case RULE_ACCEPT:
	case RULE_DROP:
	case RULE_RETURN:
		extend(entry, verdicts[rule->target], 0, sizeof(int));
		break;
	case RULE_REJECT:
		reject = extend(entry, "REJECT", 0, sizeof(*reject));
		reject->with = IPT_ICMP_HOST_UNREACHABLE;
		break;
	case RULE_DNAT:
		put_dnat(rule, entry);
		break;
	case RULE_ADD:
		put_add(entry, sets);
		break;
	case RULE_JUMP:
	case RULE_GOTO:
		extend(entry, rule->chain, 0, sizeof(int));
		break;
	}
}

void entry_encode(const struct rule *rule, uint8_t family, const uint16_t sets[SETS],
	struct entry *ret)
{
	const struct layout *layout = layout_of(family);
	uint16_t offset;

	memset(ret->bytes, 0, layout->size);
	ret->length = layout->size;
	if (family == AF_INET6)
		put_ipv6(rule, (void *)ret->bytes);
	else
		put_ipv4(rule, (void *)ret->bytes);
	put_matches(rule, ret, sets);
	offset = (uint16_t)ret->length;
	memcpy(ret->bytes + layout->target_offset, &offset, sizeof(offset));
	put_target(rule, ret, sets);
	offset = (uint16_t)ret->length;
	memcpy(ret->bytes + layout->next_offset, &offset, sizeof(offset));
}

const char *entry_target(const void *entry, uint8_t family, int *ret_verdict)
{
	uint16_t offset = offset_at(entry, layout_of(family)->target_offset);
	const struct xt_entry_target *target = (const void *)((const char *)entry + offset);

	memcpy(ret_verdict, target->data, sizeof(*ret_verdict));
	return target->u.user.name;
}

/* Behind a name's NUL the kernel leaves whatever was in the reader's memory. */
static bool part_same(const struct xt_entry_match *a, const struct xt_entry_match *b)
{
	return a->u.user.match_size == b->u.user.match_size &&
	       a->u.user.revision == b->u.user.revision &&
	       strncmp(a->u.user.name, b->u.user.name, sizeof(a->u.user.name)) == 0 &&
	       memcmp(a->data, b->data, a->u.user.match_size - HEADER) == 0;
}

static bool is_module(const char *target)
{
	return strcmp(target, "DNAT") == 0 || strcmp(target, "SET") == 0 ||
	       strcmp(target, "REJECT") == 0;
}

bool entry_same(const void *entry, uint8_t family, const char *label, const struct entry *wanted)
{
	const struct layout *layout = layout_of(family);
	const struct xt_entry_match *ours, *theirs;
	uint16_t end = offset_at(wanted->bytes, layout->target_offset);

	if (memcmp(entry, wanted->bytes, layout->ip_size) != 0 ||
		offset_at(entry, layout->target_offset) != end ||
		offset_at(entry, layout->next_offset) != wanted->length)
		return false;
	for (size_t at = layout->size; at < end; at += ours->u.user.match_size) {
		ours = (const void *)(wanted->bytes + at);
		theirs = (const void *)((const char *)entry + at);
		if (!part_same(ours, theirs))
			return false;
	}
	ours = (const void *)(wanted->bytes + end);
	theirs = (const void *)((const char *)entry + end);
	if (is_module(ours->u.user.name))
		return part_same(ours, theirs);
	return strcmp(ours->u.user.name, label) == 0;
}

static void get_prefix(const unsigned char *address, const unsigned char *mask, uint8_t family,
	struct prefix *ret)
{
	struct address whole = { .family = family };
	unsigned length = 0;

	memcpy(whole.bytes, address, address_bits(&whole) / 8);
	while (length < address_bits(&whole) && mask[length / 8] & (0x80 >> (length % 8)))
		length++;
	*ret = prefix_of(&whole, length);
}

static void get_ip(const void *entry, uint8_t family, struct rule *rule)
{
	const struct ipt_ip *ip4 = entry;
	const struct ip6t_ip6 *ip6 = entry;
	bool six = family == AF_INET6;

	get_prefix(six ? (const void *)&ip6->src : (const void *)&ip4->src,
		six ? (const void *)&ip6->smsk : (const void *)&ip4->smsk, family,
		&rule->match.source);
	get_prefix(six ? (const void *)&ip6->dst : (const void *)&ip4->dst,
		six ? (const void *)&ip6->dmsk : (const void *)&ip4->dmsk, family,
		&rule->match.destination);
	rule->match.loopback = (six ? ip6->iniface : ip4->iniface)[0] != '\0';
	rule->match.protocol = (uint8_t)(six ? ip6->proto : ip4->proto);
	if (six ? ip6->flags & IP6T_F_GOTO : ip4->flags & IPT_F_GOTO)
		rule->target = RULE_GOTO;
}

static void get_states(const struct xt_conntrack_mtinfo3 *info, struct rule *rule)
{
	rule->match.states =
		(info->state_mask & XT_CONNTRACK_STATE_BIT(IP_CT_NEW) ? STATE_NEW : 0) |
		(info->state_mask & XT_CONNTRACK_STATE_BIT(IP_CT_RELATED) ? STATE_RELATED : 0) |
		(info->state_mask & XT_CONNTRACK_STATE_BIT(IP_CT_ESTABLISHED) ? STATE_ESTABLISHED :
										0);
}

static void get_ports(const uint16_t ports[2], struct rule *rule)
{
	if (ports[0] == 0 && ports[1] == 0xffff)
		return;
	rule->match.low = ports[0];
	rule->match.high = ports[1];
}

static void get_flags(const struct xt_tcp *tcp, struct rule *rule)
{
	get_ports(tcp->dpts, rule);
	rule->match.syn = tcp->flg_mask && !(tcp->invflags & XT_TCP_INV_FLAGS);
	rule->match.not_syn = tcp->flg_mask && !rule->match.syn;
}

static int get_match(const struct xt_entry_match *match, const uint16_t sets[SETS],
	struct rule *rule)
{
	const void *data = match->data;
	const char *name = match->u.user.name;

	if (strcmp(name, "tcp") == 0) {
		get_flags(data, rule);
	} else if (strcmp(name, "udp") == 0) {
		get_ports(((const struct xt_udp *)data)->dpts, rule);
	} else if (strcmp(name, "icmp") == 0 || strcmp(name, "icmp6") == 0) {
		rule->match.typed = true;
		rule->match.icmp_type = match->data[0];
	} else if (strcmp(name, "conntrack") == 0 && match->u.user.revision == CONNTRACK_REVISION) {
		get_states(data, rule);
	} else if (strcmp(name, "set") == 0 && match->u.user.revision == SET_MATCH_REVISION) {
		uint16_t index = ((const struct xt_set_info_match_v4 *)data)->match_set.index;

		rule->set = index == sets[SET_PEERS] ? SET_PEERS : SET_DENIED;
	} else {
		return -EINVAL;
	}
	return 0;
}

static int get_target(const struct xt_entry_target *target, const char *label, uint8_t family,
	struct rule *rule)
{
	const struct nf_nat_range2 *range = (const void *)target->data;

	for (enum rule_target verdict = RULE_ACCEPT; verdict <= RULE_RETURN; verdict++)
		if (strcmp(label, verdicts[verdict]) == 0) {
			rule->target = verdict;
			return 0;
		}
	if (strcmp(target->u.user.name, "DNAT") == 0 && target->u.user.revision == DNAT_REVISION) {
		rule->target = RULE_DNAT;
		rule->to.family = family;
		memcpy(rule->to.bytes, &range->min_addr, address_bits(&rule->to) / 8);
	} else if (strcmp(target->u.user.name, "REJECT") == 0) {
		rule->target = RULE_REJECT;
	} else if (strcmp(target->u.user.name, "SET") == 0) {
		rule->target = RULE_ADD;
	} else if (*target->u.user.name == '\0' && strlen(label) < sizeof(rule->chain)) {
		strcpy(rule->chain, label);
		rule->target = rule->target == RULE_GOTO ? RULE_GOTO : RULE_JUMP;
	} else {
		return -EINVAL;
	}
	return 0;
}

int entry_decode(const void *entry, uint8_t family, const char *label, const uint16_t sets[SETS],
	struct rule *ret)
{
	const struct layout *layout = layout_of(family);
	uint16_t end = offset_at(entry, layout->target_offset);
	const struct xt_entry_match *match;

	memset(ret, 0, sizeof(*ret));
	ret->set = SET_NONE;
	get_ip(entry, family, ret);
	for (size_t at = layout->size; at < end; at += match->u.user.match_size) {
		match = (const void *)((const char *)entry + at);
		if (get_match(match, sets, ret) < 0)
			return -EINVAL;
	}
	return get_target((const void *)((const char *)entry + end), label, family, ret);
}

bool entry_is_bare(const void *entry, uint8_t family)
{
	static const struct ip6t_ip6 nothing6;
	static const struct ipt_ip nothing;
	const struct layout *layout = layout_of(family);

	return offset_at(entry, layout->target_offset) == layout->size &&
	       memcmp(entry, family == AF_INET6 ? (const void *)&nothing6 : &nothing,
		       layout->ip_size) == 0;
}
