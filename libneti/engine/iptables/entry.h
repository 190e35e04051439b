/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_XTABLES_ENTRY_H
#define NETI_XTABLES_ENTRY_H
/*
 * A rule as the bytes that the kernel takes, and back. Knows the layouts of ip_tables and
 * ip6_tables; calls nothing.
 */
#include "render.h"

struct entry {
	_Alignas(8) unsigned char bytes[1024];
	size_t length;
};

/* sets: the kernel's numbers of the own sets. */
void entry_encode(const struct rule *rule, uint8_t family, const uint16_t sets[SETS],
	struct entry *ret);
/*
 * label: the target of a kernel's entry in words: verdict, chain or module. -EINVAL for rules
 * that Neti never makes; what it returns must be encoded again and compared, because it does
 * not look at every field.
 */
int entry_decode(const void *entry, uint8_t family, const char *label, const uint16_t sets[SETS],
	struct rule *ret);
/* Everything but counters and what the kernel keeps in the entry for itself. */
bool entry_same(const void *entry, uint8_t family, const char *label, const struct entry *wanted);
/* It asks nothing of a packet: neither addresses, interfaces and protocol, nor any match. */
bool entry_is_bare(const void *entry, uint8_t family);
/* The target's name and its first four bytes: the verdict when the name is empty. */
const char *entry_target(const void *entry, uint8_t family, int *ret_verdict);

#endif
