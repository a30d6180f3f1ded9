/* arrivals DIRECTORY COUNT SECONDS COMMAND...: how long until COUNT files have come into a directory.
 *
 * Starts COMMAND, which sends them, and counts what is linked or moved into DIRECTORY (a Maildir's new) from then on. It
 * is over when all have come and the command has ended, too. Prints one line:
 *
 *     THERE ENDED
 *
 * the seconds until all were there and until the command ended. After SECONDS, or if the command fails, there is a
 * message on descriptor 2, and the exit status is 111.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* How many files there are: asked when the kernel could not keep all that it had to tell. */
static long files(const char *path)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	long count = 0;

	if (!directory)
		return 0;
	while ((entry = readdir(directory)))
		count += entry->d_name[0] != '.';
	closedir(directory);
	return count;
}

/* How many of the events are arrivals; -1 where some were lost. */
static long arrived(int watch)
{
	static char buffer[1 << 18] __attribute__((aligned(8)));
	ssize_t size = read(watch, buffer, sizeof buffer);
	long count = 0;

	for (char *at = buffer; at < buffer + size;) {
		struct inotify_event *event = (struct inotify_event *)at;

		if (event->mask & IN_Q_OVERFLOW)
			return -1;
		count += (event->mask & (IN_CREATE | IN_MOVED_TO)) != 0;
		at += sizeof *event + event->len;
	}
	return count;
}

int main(int argc, char **argv)
{
	long wanted = argc > 4 ? atol(argv[2]) : 0, count = 0, before;
	double begin, there = 0, ended = 0, limit = argc > 4 ? atof(argv[3]) : 0;
	struct pollfd wait[2] = { { .events = POLLIN }, { .events = POLLIN } };
	pid_t command;

	if (wanted < 1) {
		fprintf(stderr, "usage: arrivals directory count seconds command\n");
		return 100;
	}
	wait[0].fd = inotify_init1(IN_CLOEXEC);
	if (wait[0].fd < 0 || inotify_add_watch(wait[0].fd, argv[1], IN_CREATE | IN_MOVED_TO) < 0) {
		perror(argv[1]);
		return 111;
	}
	before = files(argv[1]);
	begin = now();
	command = fork();
	if (command == 0) {
		execvp(argv[4], argv + 4);
		perror(argv[4]);
		_exit(111);
	}
	wait[1].fd = (int)syscall(SYS_pidfd_open, command, 0);
	while (there == 0 || ended == 0) {
		int status;

		if (now() - begin > limit || poll(wait, 2, 1000) < 0) {
			fprintf(stderr, "arrivals: %ld of %ld have come after %.0f s\n", count, wanted, now() - begin);
			kill(command, SIGTERM);
			return 111;
		}
		if (wait[0].revents) {
			long more = arrived(wait[0].fd);

			count = more < 0 ? files(argv[1]) - before : count + more;
			if (count >= wanted && there == 0)
				there = now() - begin;
		}
		if (wait[1].revents && ended == 0) {
			ended = now() - begin;
			wait[1].fd = -1;
			if (waitpid(command, &status, 0) != command || status != 0) {
				fprintf(stderr, "arrivals: %s has failed\n", argv[4]);
				return 111;
			}
		}
	}
	printf("%.4f %.4f\n", there, ended);
	return 0;
}
