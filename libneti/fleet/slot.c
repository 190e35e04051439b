/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the registry says of one overlay address, and since when, beside what the rules have.
 */
#include "slot.h"

/* An older copy of the registry has entries of sessions that ended long ago; they stay until
 * the server has waited for those sessions once more. So an entry that is there says nothing
 * after a doubt: only one that stays for longer than any session waits has somebody alive
 * behind it. What passes while the registry is not followed is no such time: the server may
 * stand still as well, and begin to wait anew. */
bool slot_is_proved(const struct slot *slot, const struct proof *proof, int64_t now)
{
	int64_t since = slot->seen_since > proof->since ? slot->seen_since : proof->since;

	return slot->seen_since && now - since >= proof->ms;
}

static void seen(struct slot *slot, int64_t now)
{
	slot->gone_since = 0;
	slot->accepted = slot->held = slot->seeded = false;
	if (slot->doubted && !slot->seen_since)
		slot->seen_since = now;
}

static void missed(struct slot *slot, const struct proof *proof, int64_t now)
{
	if (slot->gone_since)
		return;
	slot->gone_since = now;
	slot->doubted = slot->doubted && !slot_is_proved(slot, proof, now);
	slot->held |= slot->doubted && !slot->accepted;
	slot->seen_since = 0;
}

void slot_settle(struct slot *slot, const struct proof *proof, struct member *latest, int64_t now)
{
	if (latest)
		seen(slot, now);
	else
		missed(slot, proof, now);
	member_unref(slot->latest);
	slot->latest = latest ? member_ref(latest) : NULL;
}

bool slot_is_pending(const struct slot *slot)
{
	return !slot->shown || !slot->latest || !member_same(slot->shown, slot->latest);
}

bool slot_is_loose(const struct slot *slot)
{
	return slot->shown && slot->gone_since && !slot->accepted && !slot->held;
}
