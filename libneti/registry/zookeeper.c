#include "store.h"
extern const struct store_backend store_zookeeper;
const struct store_backend store_zookeeper = { .scheme = "zookeeper://", .rooted = true };
