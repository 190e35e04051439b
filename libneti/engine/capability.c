/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capability.h"

int capability_check(struct error *error)
{
	static const struct {
		unsigned number;
		const char *name;
	} needed[] = { { CAP_NET_ADMIN, "CAP_NET_ADMIN" }, { CAP_NET_RAW, "CAP_NET_RAW" } };
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &header, data) < 0)
		return 0; /* then the kernel will say it itself */
	for (size_t i = 0; i < 2; i++)
		if (!(data[needed[i].number / 32].effective & (1u << (needed[i].number % 32))))
			return error_set(error, -EPERM, NETI_REASON_PRIVILEGE,
				"%s is missing: changing the kernel's rules needs it",
				needed[i].name);
	return 0;
}
