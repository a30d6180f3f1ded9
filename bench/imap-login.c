/* imap-login ADDRESS PORT USER PASSWORD MESSAGES TOTAL AT_ONCE: complete IMAP logins, AT_ONCE at a time.
 *
 * Each connects, reads the greeting and says LOGIN, SELECT INBOX and LOGOUT, every command after the tagged reply
 * to the last; SELECT must tell MESSAGES. It is over when the server has closed. Prints one line:
 *
 *     RATE P50 P99 FAILED
 *
 * logins a second, the median and the 99th percentile of the time from connect to the end in milliseconds,
 * and how many failed; the first failure is shown on descriptor 2. The whole run takes five minutes at most;
 * what is not done by then counts as failed.
 *
 * With TOTAL 0 it logs in AT_ONCE times, stops before LOGOUT, prints "open", and waits for the end of its
 * input before it says LOGOUT: for a look at what open sessions take.
 *
 * Clients come from 250 addresses of 127/8, so that ports do not run out and no limit by address is met.
 * It first waits, fifteen seconds at most, until the server greets.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_AT_ONCE 1024
#define MOST_SECONDS 300
#define STEPS 3

struct client {
	int fd;
	int step; /* how many replies there were, the greeting among them */
	int exists; /* whether SELECT has told the right number */
	double since;
	char line[2048];
	size_t length;
};

static struct sockaddr_in server = { .sin_family = AF_INET };
static struct client clients[MOST_AT_ONCE];
static char commands[STEPS][300];
static long total, started, done, failed, messages, holding, held;
static double *times;
static int events;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

/* A socket on its way to the server, or -1. */
static int open_from(long number, int flags)
{
	struct sockaddr_in source = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | flags, 0), on = 1;

	if (fd < 0)
		return -1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	source.sin_addr.s_addr = htonl(0x7f010000 + number % 250 + 1);
	if (bind(fd, (struct sockaddr *)&source, sizeof source) != 0 ||
	    (connect(fd, (struct sockaddr *)&server, sizeof server) != 0 && errno != EINPROGRESS)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Waits until the server greets. */
static int ready(void)
{
	double limit = now() + 15;
	char byte;

	while (now() < limit) {
		int fd = open_from(0, 0);

		if (fd >= 0) {
			struct pollfd wait = { .fd = fd, .events = POLLIN };
			int greeted = poll(&wait, 1, 5000) == 1 && read(fd, &byte, 1) == 1 && byte == '*';

			close(fd);
			if (greeted)
				return 1;
		}
		usleep(20000);
	}
	return 0;
}

/* Starts the next login in this slot, where there is one; 1 when it is under way. */
static int next(struct client *client)
{
	while (started < total) {
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = client };

		client->since = now();
		client->step = 0;
		client->exists = 0;
		client->length = 0;
		client->fd = open_from(started++, SOCK_NONBLOCK);
		if (client->fd >= 0 && epoll_ctl(events, EPOLL_CTL_ADD, client->fd, &event) == 0)
			return 1;
		failed++;
	}
	return 0;
}

static int say(struct client *client)
{
	size_t length = strlen(commands[client->step]);

	/* A command fits the buffer of a socket from which each one before was taken. */
	return write(client->fd, commands[client->step], length) == (ssize_t)length;
}

/* Takes one line; 0 when it is a reply that is not the right one. */
static int reply(struct client *client)
{
	char tag[8], *rest;

	if (client->step == 0) {
		if (strncmp(client->line, "* OK", 4) != 0)
			return 0;
	} else if (client->line[0] == '*') {
		if (client->step == 2 && strtol(client->line + 2, &rest, 10) == messages && strncmp(rest, " EXISTS", 7) == 0)
			client->exists = 1;
		return 1;
	} else {
		snprintf(tag, sizeof tag, "a%d OK", client->step);
		if (client->step > STEPS || strncmp(client->line, tag, strlen(tag)) != 0 || (client->step == 2 && !client->exists))
			return 0;
	}
	if (client->step == 2 && holding) {
		held++;
		client->step++;
		return 1;
	}
	if (client->step < STEPS && !say(client))
		return 0;
	client->step++;
	return 1;
}

/* Reads what is there; 1 when the session is over. */
static int over(struct client *client)
{
	char bytes[4096];

	for (;;) {
		ssize_t count = read(client->fd, bytes, sizeof bytes);
		int good = count > 0;

		if (count < 0 && errno == EAGAIN)
			return 0;
		for (ssize_t n = 0; good && n < count; n++) {
			if (bytes[n] != '\n') {
				client->line[client->length] = bytes[n];
				good = ++client->length < sizeof client->line;
				continue;
			}
			client->line[client->length] = 0;
			client->length = 0;
			good = reply(client);
		}
		if (good)
			continue;
		if (count == 0 && client->step == STEPS + 1) {
			times[done++] = now() - client->since;
		} else if (failed++ == 0) {
			client->line[client->length] = 0;
			fprintf(stderr, "imap-login: a login failed after reply %d: %s\n", client->step, client->line);
		}
		close(client->fd);
		return 1;
	}
}

static void hold(void)
{
	char byte;

	printf("open %ld\n", held);
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	for (long n = 0; n < total; n++) {
		if (clients[n].step != STEPS)
			continue;
		clients[n].step = STEPS - 1;
		if (!say(&clients[n]))
			failed++;
		clients[n].step = STEPS;
	}
}

int main(int argc, char **argv)
{
	long at_once = argc == 8 ? atol(argv[7]) : 0;
	struct epoll_event ready_now[64];
	double begin, took;
	long live = 0;

	if (argc != 8 || inet_pton(AF_INET, argv[1], &server.sin_addr) != 1 ||
	    ntohl(server.sin_addr.s_addr) >> 24 != 127 || at_once < 1 || at_once > MOST_AT_ONCE) {
		fprintf(stderr, "usage: imap-login loopback-address port user password messages total at-once\n");
		return 100;
	}
	server.sin_port = htons(atoi(argv[2]));
	snprintf(commands[0], sizeof commands[0], "a1 LOGIN %s %s\r\n", argv[3], argv[4]);
	strcpy(commands[1], "a2 SELECT INBOX\r\n");
	strcpy(commands[2], "a3 LOGOUT\r\n");
	messages = atol(argv[5]);
	total = atol(argv[6]);
	holding = total == 0;
	if (holding)
		total = at_once;
	times = calloc(total, sizeof *times);
	events = epoll_create1(0);
	if (!times || events < 0 || !ready()) {
		fprintf(stderr, "imap-login: no server on %s port %s\n", argv[1], argv[2]);
		return 111;
	}
	begin = now();
	for (long n = 0; n < at_once; n++)
		live += next(&clients[n]);
	while (live > 0 && now() - begin < MOST_SECONDS) {
		int count = epoll_wait(events, ready_now, 64, 1000);

		for (int n = 0; n < count; n++) {
			struct client *client = ready_now[n].data.ptr;

			if (over(client))
				live += next(client) - 1;
		}
		if (holding && held + failed >= total) {
			holding = 0;
			hold();
		}
	}
	took = now() - begin;
	failed += live;
	if (done == 0) {
		fprintf(stderr, "imap-login: no login succeeded\n");
		return 111;
	}
	qsort(times, done, sizeof *times, compare);
	printf("%.0f %.2f %.2f %ld\n", done / took, times[done / 2] * 1e3, times[done * 99 / 100] * 1e3, failed);
	return 0;
}
