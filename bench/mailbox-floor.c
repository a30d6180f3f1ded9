/* mailbox-floor DIR THREADS: the least that a look at all messages of the Maildir DIR can take. Prints one line:
 *
 *     READDIR STAT READ FILES OCTETS
 *
 * milliseconds to read the names in cur, to read the names and stat every file, and to read the names and
 * then open, read, count line ends and close every file, on THREADS threads; how many files there were, and
 * the octets that POP3 counts in them. Each step begins at the beginning and is run three times: the least
 * time counts, so the page cache is warm.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MOST_THREADS 64
#define CHUNK 64

enum step { NAMES, STAT, READ };

static char *names;
static size_t *where, used, room;
static long files, slots;
static int directory;
static atomic_long next_file, octets, broken;
static enum step step;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void need(const void *memory)
{
	if (memory)
		return;
	fprintf(stderr, "mailbox-floor: out of memory\n");
	exit(111);
}

static void list(const char *path)
{
	DIR *cur = opendir(path);
	struct dirent *entry;

	if (!cur) {
		perror(path);
		exit(111);
	}
	files = 0;
	used = 0;
	while ((entry = readdir(cur))) {
		size_t length = strlen(entry->d_name) + 1;

		if (*entry->d_name == '.')
			continue;
		if (used + length > room)
			need(names = realloc(names, room = 2 * room + 65536));
		if (files == slots)
			need(where = realloc(where, (slots = 2 * slots + 4096) * sizeof *where));
		memcpy(names + used, entry->d_name, length);
		where[files++] = used;
		used += length;
	}
	closedir(cur);
}

static long count_octets(int fd, char *buffer, size_t size)
{
	long total = 0;
	ssize_t count;

	while ((count = read(fd, buffer, size)) > 0) {
		char *at = buffer, *end = buffer + count;

		total += count;
		while ((at = memchr(at, '\n', end - at))) {
			at++;
			total++;
		}
		/* Less than was asked for is the end of a file; one read more would only say so. */
		if ((size_t)count < size)
			break;
	}
	return count < 0 ? -1 : total;
}

static void *work(void *unused)
{
	static __thread char buffer[65536];

	for (;;) {
		long first = atomic_fetch_add(&next_file, CHUNK);

		if (first >= files)
			return unused;
		for (long n = first; n < first + CHUNK && n < files; n++) {
			struct stat status;
			const char *name = names + where[n];
			long count;
			int fd;

			if (step == STAT) {
				broken += fstatat(directory, name, &status, 0) != 0;
				continue;
			}
			fd = openat(directory, name, O_RDONLY);
			count = fd < 0 ? -1 : count_octets(fd, buffer, sizeof buffer);
			close(fd);
			if (count < 0)
				broken++;
			else
				octets += count;
		}
	}
}

int main(int argc, char **argv)
{
	double least[3];
	int threads = argc == 3 ? atoi(argv[2]) : 0;
	char path[4096];

	if (threads < 1 || threads > MOST_THREADS) {
		fprintf(stderr, "usage: mailbox-floor dir threads\n");
		return 100;
	}
	snprintf(path, sizeof path, "%s/cur", argv[1]);
	directory = open(path, O_RDONLY | O_DIRECTORY);
	for (step = NAMES; step <= READ; step++) {
		for (int turn = 0; turn < 3; turn++) {
			double begin = now(), took;
			pthread_t thread[MOST_THREADS];

			list(path);
			next_file = 0;
			octets = 0;
			if (step != NAMES) {
				for (int n = 1; n < threads; n++)
					pthread_create(&thread[n], NULL, work, NULL);
				work(NULL);
				for (int n = 1; n < threads; n++)
					pthread_join(thread[n], NULL);
			}
			took = now() - begin;
			if (turn == 0 || took < least[step])
				least[step] = took;
		}
	}
	if (broken) {
		fprintf(stderr, "mailbox-floor: %ld files could not be read\n", (long)broken);
		return 111;
	}
	printf("%.1f %.1f %.1f %ld %ld\n", least[NAMES], least[STAT], least[READ], files, (long)octets);
	return 0;
}
