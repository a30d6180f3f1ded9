/* load ADDRESS PORT TOTAL AT_ONCE BYTES: opens TOTAL connections, AT_ONCE at a time, and reads each to
 * its end. Prints one line:
 *
 *     RATE P50 P99 FAILED
 *
 * connections a second, the median and the 99th percentile of the time from connect to the end in
 * milliseconds, and how many connections failed or brought other than BYTES bytes.
 *
 * Clients come from 250 addresses of 127/8, so that ports do not run out. Only loopback addresses are
 * taken as a target. It first waits, five seconds at most, until the server answers. The whole run
 * takes two minutes at most; what is not done by then counts as failed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_AT_ONCE 1024
#define MOST_SECONDS 120

struct client {
	int fd;
	double since;
	long bytes;
};

static struct sockaddr_in server = { .sin_family = AF_INET };
static struct client clients[MOST_AT_ONCE];
static long total, started, done, failed, wanted;
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
	int fd = socket(AF_INET, SOCK_STREAM | flags, 0);

	if (fd < 0)
		return -1;
	source.sin_addr.s_addr = htonl(0x7f010000 + number % 250 + 1);
	if (bind(fd, (struct sockaddr *)&source, sizeof source) != 0 ||
	    (connect(fd, (struct sockaddr *)&server, sizeof server) != 0 && errno != EINPROGRESS)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Waits until the server accepts and ends a connection. */
static int ready(void)
{
	double limit = now() + 5;
	char byte[16];

	while (now() < limit) {
		int fd = open_from(0, 0);

		if (fd >= 0) {
			while (read(fd, byte, sizeof byte) > 0)
				;
			close(fd);
			return 1;
		}
		usleep(10000);
	}
	return 0;
}

/* Starts the next connection in this slot, where there is one; 1 when it is under way. */
static int next(struct client *client)
{
	while (started < total) {
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = client };

		client->since = now();
		client->bytes = 0;
		client->fd = open_from(started++, SOCK_NONBLOCK);
		if (client->fd >= 0 && epoll_ctl(events, EPOLL_CTL_ADD, client->fd, &event) == 0)
			return 1;
		failed++;
	}
	return 0;
}

/* Reads what is there; 1 when the connection is over. */
static int over(struct client *client)
{
	char bytes[4096];

	for (;;) {
		ssize_t count = read(client->fd, bytes, sizeof bytes);

		if (count > 0) {
			client->bytes += count;
			continue;
		}
		if (count < 0 && errno == EAGAIN)
			return 0;
		if (count == 0 && client->bytes == wanted)
			times[done++] = now() - client->since;
		else
			failed++;
		close(client->fd);
		return 1;
	}
}

int main(int argc, char **argv)
{
	long at_once = argc == 6 ? atol(argv[4]) : 0;
	struct epoll_event ready_now[64];
	double begin, took;
	long live = 0;

	if (argc != 6 || inet_pton(AF_INET, argv[1], &server.sin_addr) != 1 ||
	    ntohl(server.sin_addr.s_addr) >> 24 != 127 || at_once < 1 || at_once > MOST_AT_ONCE) {
		fprintf(stderr, "usage: load loopback-address port total at-once bytes\n");
		return 100;
	}
	server.sin_port = htons(atoi(argv[2]));
	total = atol(argv[3]);
	wanted = atol(argv[5]);
	times = calloc(total, sizeof *times);
	events = epoll_create1(0);
	if (!times || events < 0 || !ready()) {
		fprintf(stderr, "load: no server on %s port %s\n", argv[1], argv[2]);
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
	}
	took = now() - begin;
	failed += live;
	if (done == 0) {
		fprintf(stderr, "load: no connection was served\n");
		return 111;
	}
	qsort(times, done, sizeof *times, compare);
	printf("%.0f %.2f %.2f %ld\n", done / took, times[done / 2] * 1e3, times[done * 99 / 100] * 1e3, failed);
	return 0;
}
