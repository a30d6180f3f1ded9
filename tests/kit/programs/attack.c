/* attack: what a process could do to another one of its user, for tests that it cannot.
 *
 * attack look UID GID PID: becomes that user, where it is root, and tries every way into the memory and the
 * descriptors of the process. One line a way: its name, and `open` or `closed`. Anything but a refusal for
 * want of permission is `open`: an address that is not mapped has passed the check.
 *
 * attack birth UID GID PROGRAM: the same for the descriptors of a process of that user that has just executed
 * the program, before its first line.
 *
 * attack hold PID: traces the process, says `held`, and lets go at the end of its input.
 *
 * attack call PID NUMBER [ARGUMENT ...]: lets the process, which must be waiting in a system call, make
 * this one, as if it had been taken over; the result on one line, an error as -errno. `@` for an argument
 * is the address of 64 zero bytes in it. For root, on x86_64. 125 where that cannot be done.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *way, long result)
{
	int closed = result < 0 && (errno == EPERM || errno == EACCES);

	printf("%s %s\n", way, closed ? "closed" : "open");
}

static void look_at_file(const char *pid, const char *name)
{
	char path[100];

	snprintf(path, sizeof path, "/proc/%s/%s", pid, name);
	say(name, open(path, O_RDONLY));
}

static int become(uid_t uid, gid_t gid)
{
	if (geteuid() == 0 && (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid)))
		return -1;
	/* The change of identity has made this one undumpable, too; it has nothing to hide. */
	return prctl(PR_SET_DUMPABLE, 1);
}

static int look(uid_t uid, gid_t gid, const char *word)
{
	pid_t pid = atoi(word);
	char here[8], *files[] = {"mem", "environ", "maps", "fd", "io", "syscall", "stack"};
	struct iovec local = {here, sizeof here}, remote = {&pid, sizeof here};
	int pidfd, status;
	long result;

	if (become(uid, gid))
		return 111;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		look_at_file(word, files[i]);
	say("process_vm_readv", process_vm_readv(pid, &local, 1, &remote, 1, 0));
	say("process_vm_writev", process_vm_writev(pid, &local, 1, &remote, 1, 0));
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	say("pidfd_getfd", syscall(SYS_pidfd_getfd, pidfd, 0, 0));
	say("kcmp", syscall(SYS_kcmp, getpid(), pid, 1, 0, 0));
	result = ptrace(PTRACE_ATTACH, pid, 0, 0);
	say("attach", result);
	if (result == 0) {
		waitpid(pid, &status, 0);
		ptrace(PTRACE_DETACH, pid, 0, 0);
	}
	return fflush(stdout) != 0;
}

static int birth(uid_t uid, gid_t gid, char *program)
{
	char word[20];
	int status;
	pid_t pid;

	if (become(uid, gid) || (pid = fork()) < 0)
		return 111;
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		execl(program, program, (char *)NULL);
		_exit(111);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return 111;
	snprintf(word, sizeof word, "%d", pid);
	look_at_file(word, "fd");
	kill(pid, SIGKILL);
	return fflush(stdout) != 0;
}

static int hold(pid_t pid)
{
	char byte;
	int status;

	if (ptrace(PTRACE_ATTACH, pid, 0, 0) || waitpid(pid, &status, 0) != pid)
		return 125;
	puts("held");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	return ptrace(PTRACE_DETACH, pid, 0, 0) != 0;
}

static int call(pid_t pid, int count, char **words)
{
#ifdef __x86_64__
	struct user_regs_struct before, now;
	unsigned long long values[7] = {0}, room;
	int status;

	if (ptrace(PTRACE_ATTACH, pid, 0, 0) || waitpid(pid, &status, 0) != pid)
		return 125;
	ptrace(PTRACE_GETREGS, pid, 0, &before);
	room = (before.rsp - 1024) & ~15ULL;
	for (int at = 0; at < 64; at += 8)
		ptrace(PTRACE_POKEDATA, pid, room + at, 0);
	for (int i = 0; i < count && i < 7; i++)
		values[i] = strcmp(words[i], "@") == 0 ? room : strtoull(words[i], NULL, 0);
	now = before;
	now.rax = values[0];
	now.rdi = values[1];
	now.rsi = values[2];
	now.rdx = values[3];
	now.r10 = values[4];
	now.r8 = values[5];
	now.r9 = values[6];
	/* Before it is the instruction by which the process went into the kernel. */
	now.rip = before.rip - 2;
	now.orig_rax = -1;
	ptrace(PTRACE_SETREGS, pid, 0, &now);
	if (ptrace(PTRACE_SINGLESTEP, pid, 0, 0) || waitpid(pid, &status, 0) != pid)
		return 125;
	if (!WIFSTOPPED(status)) {
		puts("ended");
		return 0;
	}
	ptrace(PTRACE_GETREGS, pid, 0, &now);
	printf("%lld\n", (long long)now.rax);
	ptrace(PTRACE_SETREGS, pid, 0, &before);
	return ptrace(PTRACE_DETACH, pid, 0, 0) != 0;
#else
	(void)pid, (void)count, (void)words;
	return 125;
#endif
}

int main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "look") == 0)
		return look(atoi(argv[2]), atoi(argv[3]), argv[4]);
	if (argc == 5 && strcmp(argv[1], "birth") == 0)
		return birth(atoi(argv[2]), atoi(argv[3]), argv[4]);
	if (argc == 3 && strcmp(argv[1], "hold") == 0)
		return hold(atoi(argv[2]));
	if (argc > 3 && strcmp(argv[1], "call") == 0)
		return call(atoi(argv[2]), argc - 3, argv + 3);
	return 100;
}
