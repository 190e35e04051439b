/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_NETI_H
#define NETI_NETI_H

#ifdef __cplusplus
extern "C" {
#endif

enum neti_log_level {
	NETI_LOG_ERROR = 3, /* the numbers of syslog(3) */
	NETI_LOG_WARNING = 4,
	NETI_LOG_INFO = 6,
	NETI_LOG_DEBUG = 7
};

/* What errno cannot say. Values are stable; new ones are added at the end. */
enum neti_trouble {
	NETI_TROUBLE_NONE = 0,
	NETI_TROUBLE_SYSTEM = 1,      /* memory, files, system calls */
	NETI_TROUBLE_SETTINGS = 2,    /* settings: the message names key and line */
	NETI_TROUBLE_REGISTRY = 3,    /* the registry cannot be reached, or answers nonsense */
	NETI_TROUBLE_DENIED = 4,      /* the registry refuses these credentials */
	NETI_TROUBLE_CONFLICT = 5,    /* another live member has this id */
	NETI_TROUBLE_EXHAUSTED = 6,   /* no free overlay address */
	NETI_TROUBLE_NOT_FOUND = 7,   /* no such member, lease or fleet */
	NETI_TROUBLE_HELD = 8,	      /* removals held back by the guard */
	NETI_TROUBLE_PRIVILEGE = 9,   /* a capability is missing */
	NETI_TROUBLE_UNSUPPORTED = 10, /* the kernel lacks a table, set type or match */
	NETI_TROUBLE_BUSY = 11,	      /* somebody else holds a lock */
	NETI_TROUBLE_KERNEL = 12      /* the kernel refused a change */
};

#if defined(__GNUC__)
#define NETI_EXPORT __attribute__((visibility("default")))
#else
#define NETI_EXPORT
#endif

/* The release of the library that is loaded, as "0.1.0". Any thread. Since 0.1. */
const char *neti_version(void);

#ifdef __cplusplus
}
#endif

#endif
