/* smtp-floor MAILDIR COUNT AT_ONCE: the least that a durable delivery into a Maildir must do, without any protocol.
 *
 * AT_ONCE processes write COUNT messages of 2,400 bytes: a file in tmp, fsync, link into new, unlink, fsync of new. Prints
 * the messages a second.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static int deliver(const char *maildir, long part, long count)
{
	static char message[2400], from[4096], to[4096];

	memset(message, 'x', sizeof message);
	for (long n = 0; n < count; n++) {
		int file, folder;

		snprintf(from, sizeof from, "%s/tmp/%ld.%ld", maildir, part, n);
		snprintf(to, sizeof to, "%s/new/%ld.%ld", maildir, part, n);
		file = open(from, O_WRONLY | O_CREAT | O_EXCL, 0600);
		if (file < 0 || write(file, message, sizeof message) != sizeof message || fsync(file) != 0 || close(file) != 0)
			return 0;
		if (link(from, to) != 0 || unlink(from) != 0)
			return 0;
		snprintf(to, sizeof to, "%s/new", maildir);
		folder = open(to, O_RDONLY | O_DIRECTORY);
		if (folder < 0 || fsync(folder) != 0 || close(folder) != 0)
			return 0;
	}
	return 1;
}

int main(int argc, char **argv)
{
	long count = argc == 4 ? atol(argv[2]) : 0, at_once = argc == 4 ? atol(argv[3]) : 0;
	int status, failed = 0;
	double begin;

	if (count < 1 || at_once < 1) {
		fprintf(stderr, "usage: smtp-floor maildir count at-once\n");
		return 100;
	}
	count -= count % at_once;
	begin = now();
	for (long part = 0; part < at_once; part++)
		if (fork() == 0)
			_exit(deliver(argv[1], part, count / at_once) ? 0 : 111);
	while (wait(&status) > 0)
		failed |= status != 0;
	if (failed) {
		fprintf(stderr, "smtp-floor: cannot write to %s\n", argv[1]);
		return 111;
	}
	printf("%.0f\n", count / (now() - begin));
	return 0;
}
