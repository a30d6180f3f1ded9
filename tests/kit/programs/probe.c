/* probe: a program to be started by a server, which reports what it was given.
 *
 * Without arguments, or with any that do not begin with --: one line a fact on descriptor 1, then
 * exit 0. Bytes outside printable ASCII, and the backslash, are written as backslash and three
 * octal digits, so that a fact is always one line.
 *
 *   arg TEXT            each word of the command line, the name first
 *   env NAME=VALUE      each entry of the environment, in its order
 *   fd N TARGET         each open descriptor and what it leads to (inode numbers left as they are)
 *   nonblocking N       for descriptors 0, 1 and 2 that are in non-blocking mode
 *   ignored N, blocked N   signals by number
 *   uid R E S, gid R E S, groups G...
 *   nodelay V, keepalive V, tos V    options of the socket on descriptor 0, where it is one
 *
 * probe --block SIGNAL... -- program args: blocks the signals by number, then becomes the program:
 * a shell can ignore a signal for its children but not block one.
 *
 * probe --default SIGNAL... -- program args: gives the signals their defaults back in the same way; what a
 * shell was started with ignored (everything behind nohup and &) it cannot.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

extern char **environ;

static void text(const char *label, const char *bytes)
{
	printf("%s ", label);
	for (; *bytes; bytes++) {
		unsigned char byte = *bytes;
		if (byte > 31 && byte < 127 && byte != '\\')
			putchar(byte);
		else
			printf("\\%03o", byte);
	}
	putchar('\n');
}

static void descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char path[300], target[4096], label[300];
		ssize_t length;

		if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(dir))
			continue;
		snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
		length = readlink(path, target, sizeof target - 1);
		if (length < 0)
			continue;
		target[length] = 0;
		snprintf(label, sizeof label, "fd %s", entry->d_name);
		text(label, target);
	}
	if (dir)
		closedir(dir);
	for (int fd = 0; fd < 3; fd++) {
		int flags = fcntl(fd, F_GETFL);
		if (flags >= 0 && (flags & O_NONBLOCK))
			printf("nonblocking %d\n", fd);
	}
}

static void signals(void)
{
	sigset_t mask;
	struct sigaction now;

	sigprocmask(SIG_SETMASK, NULL, &mask);
	for (int number = 1; number < 32; number++) {
		if (sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN)
			printf("ignored %d\n", number);
		if (sigismember(&mask, number) == 1)
			printf("blocked %d\n", number);
	}
}

static void identity(void)
{
	uid_t ru, eu, su;
	gid_t rg, eg, sg, groups[1024];
	int count;

	getresuid(&ru, &eu, &su);
	getresgid(&rg, &eg, &sg);
	printf("uid %u %u %u\ngid %u %u %u\ngroups", ru, eu, su, rg, eg, sg);
	count = getgroups(1024, groups);
	for (int i = 0; i < count; i++)
		printf(" %u", groups[i]);
	putchar('\n');
}

static void option(const char *label, int level, int name)
{
	int value = 0;
	socklen_t size = sizeof value;

	if (getsockopt(0, level, name, &value, &size) == 0)
		printf("%s %d\n", label, value);
}

int main(int argc, char **argv)
{
	if (argc > 3 && strcmp(argv[1], "--default") == 0) {
		int word = 2;

		for (; word < argc && strcmp(argv[word], "--") != 0; word++)
			signal(atoi(argv[word]), SIG_DFL);
		execvp(argv[word + 1], argv + word + 1);
		return 111;
	}
	if (argc > 3 && strcmp(argv[1], "--block") == 0) {
		sigset_t mask;
		int word = 2;

		sigemptyset(&mask);
		for (; word < argc && strcmp(argv[word], "--") != 0; word++)
			sigaddset(&mask, atoi(argv[word]));
		sigprocmask(SIG_BLOCK, &mask, NULL);
		execvp(argv[word + 1], argv + word + 1);
		return 111;
	}
	for (int i = 0; i < argc; i++)
		text("arg", argv[i]);
	for (char **entry = environ; *entry; entry++)
		text("env", *entry);
	descriptors();
	signals();
	identity();
	option("nodelay", IPPROTO_TCP, TCP_NODELAY);
	option("keepalive", SOL_SOCKET, SO_KEEPALIVE);
	option("tos", IPPROTO_IP, IP_TOS);
	return fflush(stdout) != 0;
}
