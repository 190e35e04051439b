/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The only file that calls libcurl. A token by PUT, then one GET for each thing, one after the
 * other on one connection. https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/
 * instancedata-data-retrieval.html
 */
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "identity_ec2.h"

#define SERVICE "http://169.254.169.254/latest/"
#define WHO "identity: ec2: the instance metadata service (169.254.169.254)"
/* The service answers within milliseconds, or something is wrong. */
#define TIMEOUT_MS 2000
#define TOKEN_SECONDS "60"
#define ANSWER_MAX 512

enum step { STEP_TOKEN, STEP_ID, STEP_PRIVATE, STEP_PUBLIC, STEP_MAC, STEP_VPC, STEPS };

struct ec2_ask {
	CURLM *multi;
	CURL *curl;
	struct curl_slist *headers;
	struct ec2_wanted wanted;
	struct ec2_answer answer;
	enum step step;
	bool asking;  /* a request is on its way */
	bool renewed; /* the token, once */
	char mac[32];
	char text[ANSWER_MAX + 1]; /* of the answer */
	size_t length;
};

static const char *const names[STEPS] = {
	[STEP_TOKEN] = "token",
	[STEP_ID] = "instance-id",
	[STEP_PRIVATE] = "local-ipv4",
	[STEP_PUBLIC] = "public-ipv4",
	[STEP_MAC] = "mac",
	[STEP_VPC] = "vpc-id",
};

static void initialize(void)
{
	/* Plain HTTP: no TLS library is woken. Never undone: others may use curl too. */
	curl_global_init(CURL_GLOBAL_NOTHING);
}

/* More than fits is no answer of this service. */
static size_t take(char *bytes, size_t one, size_t n, void *data)
{
	struct ec2_ask *ask = data;

	(void)one;
	if (ask->length + n > ANSWER_MAX)
		return 0;
	memcpy(ask->text + ask->length, bytes, n);
	ask->length += n;
	ask->text[ask->length] = '\0';
	return n;
}

int ec2_ask_new(struct ec2_ask **ret, const struct ec2_wanted *wanted, struct error *error)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct ec2_ask *ask = calloc(1, sizeof(*ask));

	pthread_once(&once, initialize);
	if (ask) {
		ask->wanted = *wanted;
		ask->multi = curl_multi_init();
		ask->curl = curl_easy_init();
	}
	if (!ask || !ask->multi || !ask->curl) {
		ec2_ask_free(ask);
		return error_memory(error);
	}
	curl_easy_setopt(ask->curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(ask->curl, CURLOPT_WRITEDATA, ask);
	curl_easy_setopt(ask->curl, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS);
	curl_easy_setopt(ask->curl, CURLOPT_NOSIGNAL, 1L);
	/* The address is of this link: a proxy in the environment would ask for its own host. */
	curl_easy_setopt(ask->curl, CURLOPT_PROXY, "");
	*ret = ask;
	return 0;
}

struct ec2_ask *ec2_ask_free(struct ec2_ask *ask)
{
	if (!ask)
		return NULL;
	if (ask->asking)
		curl_multi_remove_handle(ask->multi, ask->curl);
	curl_easy_cleanup(ask->curl);
	curl_multi_cleanup(ask->multi);
	curl_slist_free_all(ask->headers);
	free(ask);
	return NULL;
}

static bool is_wanted(const struct ec2_ask *ask)
{
	switch (ask->step) {
	case STEP_TOKEN:
		return true;
	case STEP_ID:
		return ask->wanted.id;
	case STEP_PRIVATE:
		return ask->wanted.private_ip;
	case STEP_PUBLIC:
		return ask->wanted.public_ip;
	case STEP_MAC:
	case STEP_VPC:
		return ask->wanted.network;
	case STEPS:
		break;
	}
	return true;
}

static void set_header(struct ec2_ask *ask, const char *name, const char *value)
{
	char line[ANSWER_MAX + 64];

	curl_slist_free_all(ask->headers);
	snprintf(line, sizeof(line), "%s: %s", name, value);
	ask->headers = curl_slist_append(NULL, line);
	curl_easy_setopt(ask->curl, CURLOPT_HTTPHEADER, ask->headers);
}

static void request(struct ec2_ask *ask)
{
	char url[160];

	if (ask->step == STEP_TOKEN) {
		snprintf(url, sizeof(url), SERVICE "api/token");
		set_header(ask, "X-aws-ec2-metadata-token-ttl-seconds", TOKEN_SECONDS);
		curl_easy_setopt(ask->curl, CURLOPT_CUSTOMREQUEST, "PUT");
	} else if (ask->step == STEP_VPC) {
		snprintf(url, sizeof(url), SERVICE "meta-data/network/interfaces/macs/%s/vpc-id",
			ask->mac);
	} else {
		snprintf(url, sizeof(url), SERVICE "meta-data/%s", names[ask->step]);
	}
	ask->length = 0;
	ask->text[0] = '\0';
	curl_easy_setopt(ask->curl, CURLOPT_URL, url);
	curl_multi_add_handle(ask->multi, ask->curl);
	ask->asking = true;
}

/*
 * Answers.
 */
static int explain_failure(const struct ec2_ask *ask, CURLcode code, struct error *error)
{
	if (code == CURLE_OPERATION_TIMEDOUT && ask->step == STEP_TOKEN)
		return error_set(error, -ETIMEDOUT, NETI_REASON_SYSTEM,
			WHO " gave no token within %d s: in a container its hop limit must be 2; "
			    "elsewhere set identity: host",
			TIMEOUT_MS / 1000);
	if (code == CURLE_OPERATION_TIMEDOUT)
		return error_set(error, -ETIMEDOUT, NETI_REASON_SYSTEM,
			WHO " gave no %s within %d s", names[ask->step], TIMEOUT_MS / 1000);
	if (code == CURLE_COULDNT_CONNECT)
		return error_set(error, -ECONNREFUSED, NETI_REASON_SYSTEM,
			WHO " cannot be reached: this is no EC2 instance, or a firewall is in the "
			    "way; elsewhere set identity: host");
	return error_set(error, -EPROTO, NETI_REASON_SYSTEM, WHO " gave no %s: %s",
		names[ask->step], curl_easy_strerror(code));
}

static int explain_status(const struct ec2_ask *ask, long status, struct error *error)
{
	const char *name = names[ask->step];

	if (status == 403)
		return error_set(error, -EACCES, NETI_REASON_SYSTEM,
			WHO " is switched off for this instance (403): switch it on, or set id, "
			    "private_ip and network");
	if (status == 401)
		return error_set(error, -EACCES, NETI_REASON_SYSTEM,
			WHO " refuses its own token (401), asked for %s", name);
	if (status == 404)
		return error_set(error, -ENOENT, NETI_REASON_SYSTEM, WHO " knows no %s (404)",
			name);
	return error_set(error, -EPROTO, NETI_REASON_SYSTEM, WHO " answered %ld, asked for %s",
		status, name);
}

static int refuse_text(const struct ec2_ask *ask, struct error *error)
{
	return error_set(error, -EPROTO, NETI_REASON_SYSTEM, WHO " returned an invalid %s",
		names[ask->step]);
}

static bool is_plain(const char *text, size_t most)
{
	size_t length = strlen(text);

	if (length == 0 || length > most)
		return false;
	while (text_is_graph(*text))
		text++;
	return !*text;
}

static int take_address(const struct ec2_ask *ask, struct address *ret, struct error *error)
{
	struct address address;

	if (address_parse(ask->text, &address) < 0 || address.family != AF_INET ||
		!address_is_unicast(&address))
		return refuse_text(ask, error);
	*ret = address;
	return 0;
}

static int take_text(struct ec2_ask *ask, struct error *error)
{
	struct ec2_answer *answer = &ask->answer;
	size_t most[STEPS] = { [STEP_TOKEN] = ANSWER_MAX,
		[STEP_ID] = sizeof(answer->id) - 1,
		[STEP_PRIVATE] = 15,
		[STEP_PUBLIC] = 15,
		[STEP_MAC] = sizeof(ask->mac) - 1,
		[STEP_VPC] = 64 };

	if (!is_plain(ask->text, most[ask->step]))
		return refuse_text(ask, error);
	switch (ask->step) {
	case STEP_TOKEN:
		set_header(ask, "X-aws-ec2-metadata-token", ask->text);
		curl_easy_setopt(ask->curl, CURLOPT_CUSTOMREQUEST, NULL);
		break;
	case STEP_ID:
		strcpy(answer->id, ask->text);
		break;
	case STEP_PRIVATE:
		return take_address(ask, &answer->private_ip, error);
	case STEP_PUBLIC:
		return take_address(ask, &answer->public_ip, error);
	case STEP_MAC:
		strcpy(ask->mac, ask->text);
		break;
	case STEP_VPC:
		answer->network = "vpc";
		break;
	case STEPS:
		break;
	}
	return 0;
}

/* That there is none is an answer too. */
static bool may_miss(struct ec2_ask *ask)
{
	if (ask->step == STEP_VPC)
		ask->answer.network = "ec2";
	return ask->step == STEP_VPC || ask->step == STEP_PUBLIC;
}

static int take_answer(struct ec2_ask *ask, CURLcode code, struct error *error)
{
	long status = 0;

	curl_multi_remove_handle(ask->multi, ask->curl);
	ask->asking = false;
	if (code != CURLE_OK)
		return explain_failure(ask, code, error);
	curl_easy_getinfo(ask->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status == 401 && ask->step != STEP_TOKEN && !ask->renewed)
		return -EAGAIN;
	if (status == 404 && may_miss(ask))
		return 0;
	return status == 200 ? take_text(ask, error) : explain_status(ask, status, error);
}

static int step(struct ec2_ask *ask, struct error *error)
{
	int running, left, result;
	CURLMsg *message;

	if (!is_wanted(ask)) {
		ask->step++;
		return 0;
	}
	if (!ask->asking)
		request(ask);
	curl_multi_perform(ask->multi, &running);
	message = curl_multi_info_read(ask->multi, &left);
	if (!message)
		return -EINPROGRESS;
	result = take_answer(ask, message->data.result, error);
	if (result == -EAGAIN) { /* the token is none any more: from the beginning, once */
		ask->renewed = true;
		ask->step = STEP_TOKEN;
		return 0;
	}
	ask->step++;
	return result;
}

int ec2_ask_step(struct ec2_ask *ask, struct ec2_answer *ret, struct error *error)
{
	int result = 0;

	while (result == 0 && ask->step < STEPS)
		result = step(ask, error);
	if (result == 0)
		*ret = ask->answer;
	return result;
}

void ec2_ask_wait(struct ec2_ask *ask)
{
	curl_multi_poll(ask->multi, NULL, 0, TIMEOUT_MS, NULL);
}
