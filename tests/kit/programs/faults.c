/* faults: runs a program and lets one of its system calls go wrong.
 *
 *   faults [-p K] -o REPORT WHAT N program args
 *
 * The system calls of the program and of all that it forks are counted from 1, in the order in which
 * they are begun; with -p K only those of its K-th process or thread, 0 being the program itself from
 * its first instruction on. At the N-th, WHAT happens:
 *
 *   before   the process is killed (SIGKILL) and the call is not done
 *   after    the call is done and the process is killed
 *   short    a call that writes, or reads, does half of what it was asked for; but for a socket that
 *            keeps records, where that would be none of the kernel's doing
 *   ENOSPC   or another name, or a number: the call is not done and fails so. close is done, and
 *            says so nonetheless: on Linux the descriptor is gone then. A call that cannot fail
 *            (exit, the return from a signal, what a C library does before main, close of a directory)
 *            is let be; brk, which has no errors, leaves everything as it is.
 *   none     nothing
 *
 * REPORT is made at the beginning, and written at the end: a line a call counted, the number of the
 * process and the name of the call, up to the N-th; all calls where N is 0. A star after the last
 * says that the fault was there; without it there was no such call, or it was let be.
 *
 * Ends as the program did, once all processes have ended; 120 with a sentence on descriptor 2 if it
 * cannot do its work. Whoever kills it kills what it runs.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TASKS = 4096, CALLS = 1 << 20 };
enum what { NONE, BEFORE, AFTER, SHORT, ERROR };

/* One process or thread. */
struct task {
	pid_t id;
	int number;
	int counting;	/* the program's own first exec is done */
	int replace;	/* the result of the call that it is in is not its own */
	int kill;	/* once the call that it is in is done */
	int restore;	/* the first or third argument that was changed for the call that it is in */
	unsigned long long argument;	/* what it was */
};

struct call {
	int task;
	int struck;
	unsigned long long number;
	unsigned long long first;	/* its first argument */
};

static struct task tasks[TASKS];
static int task_count;
static struct call *calls;
static long call_count;

static enum what what;
static int error;
static long strike_at;
static int only = -1;

static const struct { const char *name; long number; } errors[] = {
	{"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EMFILE", EMFILE}, {"ENFILE", ENFILE},
	{"ENOMEM", ENOMEM}, {"EINTR", EINTR}, {"EAGAIN", EAGAIN}, {"EACCES", EACCES}, {"EPERM", EPERM},
	{"EROFS", EROFS}, {"EFBIG", EFBIG}, {"EMLINK", EMLINK}, {"ENOENT", ENOENT}, {"EEXIST", EEXIST},
	{"ENOSYS", ENOSYS}, {"ESTALE", ESTALE}, {"EPIPE", EPIPE},
};

#define CALL(name) {#name, SYS_##name}
static const struct { const char *name; unsigned long long number; } names[] = {
	/* Younger machines lack the oldest. */
#ifdef SYS_open
	CALL(open), CALL(stat), CALL(lstat), CALL(poll), CALL(pipe), CALL(fork), CALL(vfork), CALL(dup2),
	CALL(access), CALL(mkdir), CALL(rmdir), CALL(link), CALL(unlink), CALL(rename), CALL(readlink),
	CALL(chmod), CALL(chown), CALL(arch_prctl), CALL(getdents), CALL(alarm), CALL(getpgrp),
#endif
	/* Older headers lack the youngest. */
#ifdef SYS_close_range
	CALL(clone3), CALL(close_range), CALL(copy_file_range), CALL(memfd_create), CALL(openat2),
	CALL(pidfd_open), CALL(pidfd_send_signal), CALL(rseq), CALL(statx),
#endif
	CALL(accept4), CALL(bind), CALL(brk), CALL(chdir), CALL(clock_nanosleep), CALL(clone),
	CALL(close), CALL(connect), CALL(dup), CALL(dup3), CALL(execve), CALL(exit), CALL(exit_group),
	CALL(faccessat), CALL(fallocate), CALL(fchdir), CALL(fchmod), CALL(fchmodat), CALL(fchown),
	CALL(fchownat), CALL(fcntl), CALL(fdatasync), CALL(flock), CALL(fstat), CALL(fstatfs),
	CALL(fsync), CALL(ftruncate), CALL(futex), CALL(getcwd), CALL(getdents64), CALL(getegid),
	CALL(geteuid), CALL(getgid), CALL(getgroups), CALL(getpeername), CALL(getpid), CALL(getppid),
	CALL(getrandom), CALL(getresgid), CALL(getresuid), CALL(getsockname), CALL(getsockopt),
	CALL(gettid), CALL(getuid), CALL(ioctl), CALL(kill), CALL(linkat), CALL(listen), CALL(lseek),
	CALL(madvise), CALL(mkdirat), CALL(mmap), CALL(mprotect), CALL(mremap), CALL(munmap),
	CALL(nanosleep), CALL(newfstatat), CALL(openat), CALL(pipe2), CALL(ppoll), CALL(prctl),
	CALL(pread64), CALL(preadv), CALL(prlimit64), CALL(pwrite64), CALL(pwritev), CALL(read),
	CALL(readlinkat), CALL(readv), CALL(recvfrom), CALL(recvmsg), CALL(renameat), CALL(renameat2),
	CALL(restart_syscall), CALL(rt_sigaction), CALL(rt_sigprocmask), CALL(rt_sigreturn),
	CALL(sched_getaffinity), CALL(sendfile), CALL(sendmsg), CALL(sendto), CALL(set_robust_list),
	CALL(set_tid_address), CALL(setgid), CALL(setgroups), CALL(setpgid), CALL(setresgid),
	CALL(setresuid), CALL(setsid), CALL(setsockopt), CALL(setuid), CALL(shutdown), CALL(sigaltstack),
	CALL(socket), CALL(socketpair), CALL(splice), CALL(statfs), CALL(symlinkat), CALL(sync_file_range),
	CALL(syncfs), CALL(tgkill), CALL(tkill), CALL(umask), CALL(uname), CALL(unlinkat), CALL(unshare),
	CALL(utimensat), CALL(wait4), CALL(waitid), CALL(write), CALL(writev),
};

static void fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fprintf(stderr, "faults: ");
	vfprintf(stderr, format, arguments);
	fprintf(stderr, "\n");
	exit(120);
}

static int one_of(unsigned long long number, const unsigned long long *list, size_t count)
{
	for (size_t at = 0; at < count; at++)
		if (list[at] == number)
			return 1;
	return 0;
}

static int cannot_fail(unsigned long long number)
{
	static const unsigned long long list[] = {
		SYS_exit, SYS_exit_group, SYS_rt_sigreturn, SYS_set_tid_address,
#ifdef SYS_arch_prctl
		SYS_arch_prctl,
#endif
	};
	return one_of(number, list, sizeof list / sizeof *list);
}

/* Calls whose third argument is a number of bytes that may be done in part. */
static int can_be_short(unsigned long long number)
{
	static const unsigned long long list[] = {
		SYS_read, SYS_write, SYS_pread64, SYS_pwrite64, SYS_sendto, SYS_recvfrom,
	};
	return one_of(number, list, sizeof list / sizeof *list);
}

/* Whether a descriptor of a process is a socket that sends records and no stream. */
static int keeps_records(pid_t id, int fd)
{
	int type = SOCK_STREAM, copy = -1;
#ifdef SYS_pidfd_getfd
	socklen_t size = sizeof type;
	int process = syscall(SYS_pidfd_open, id, 0);

	if (process >= 0)
		copy = syscall(SYS_pidfd_getfd, process, fd, 0);
	if (copy >= 0 && getsockopt(copy, SOL_SOCKET, SO_TYPE, &type, &size) != 0)
		type = SOCK_STREAM;
	close(copy);
	close(process);
#else
	(void)id, (void)fd, (void)copy;
#endif
	return type != SOCK_STREAM;
}

/* Closing tells of writes that were not finished, and a directory has none. */
static int is_directory(pid_t id, int fd)
{
	char path[64];
	struct stat what_it_is;

	snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)id, fd);
	return stat(path, &what_it_is) == 0 && S_ISDIR(what_it_is.st_mode);
}

/* The registers of a call: its number, its first and its third argument, its result. */
#if defined __x86_64__
typedef struct user_regs_struct registers;
#define NUMBER(r) ((r).orig_rax)
#define FIRST(r) ((r).rdi)
#define THIRD(r) ((r).rdx)
#define RESULT(r) ((r).rax)
#elif defined __aarch64__
typedef struct user_regs_struct registers;
#define FIRST(r) ((r).regs[0])
#define THIRD(r) ((r).regs[2])
#define RESULT(r) ((r).regs[0])
#ifndef NT_ARM_SYSTEM_CALL
#define NT_ARM_SYSTEM_CALL 0x404
#endif
#else
#error "the registers of this machine are not known here"
#endif

static void get(pid_t id, registers *all)
{
	struct iovec piece = {all, sizeof *all};

	if (ptrace(PTRACE_GETREGSET, id, NT_PRSTATUS, &piece) != 0)
		memset(all, 0, sizeof *all);
}

/* A process that is dead by now has no registers: that is no failure. */
static void set(pid_t id, registers *all)
{
	struct iovec piece = {all, sizeof *all};

	ptrace(PTRACE_SETREGSET, id, NT_PRSTATUS, &piece);
}

static void skip_call(pid_t id)
{
#if defined __aarch64__
	int none = -1;
	struct iovec piece = {&none, sizeof none};

	ptrace(PTRACE_SETREGSET, id, NT_ARM_SYSTEM_CALL, &piece);
#else
	registers all;

	get(id, &all);
	NUMBER(all) = -1;
	set(id, &all);
#endif
}

static struct task *task_of(pid_t id)
{
	for (int at = task_count - 1; at >= 0; at--)
		if (tasks[at].id == id)
			return &tasks[at];
	if (task_count == TASKS)
		fail("more than %d processes", TASKS);
	tasks[task_count] = (struct task){.id = id, .number = task_count, .counting = task_count > 0};
	return &tasks[task_count++];
}

static void strike(struct task *task, struct call *call)
{
	registers all;

	switch (what) {
	case NONE:
		return;
	case BEFORE:
		skip_call(task->id);
		kill(task->id, SIGKILL);
		break;
	case AFTER:
		/* These have no return to be killed at. */
		if (call->number == SYS_exit || call->number == SYS_exit_group || call->number == SYS_rt_sigreturn)
			return;
		task->kill = 1;
		break;
	case SHORT:
		if (!can_be_short(call->number) || keeps_records(task->id, call->first))
			return;
		get(task->id, &all);
		if (THIRD(all) < 2)
			return;
		task->restore = 3;
		task->argument = THIRD(all);
		THIRD(all) /= 2;
		set(task->id, &all);
		break;
	case ERROR:
		if (cannot_fail(call->number))
			return;
		if (call->number == SYS_close && is_directory(task->id, call->first))
			return;
		if (call->number == SYS_brk) {
			get(task->id, &all);
			task->restore = 1;
			task->argument = FIRST(all);
			FIRST(all) = 0;
			set(task->id, &all);
			break;
		}
		if (call->number != SYS_close)
			skip_call(task->id);
		task->replace = 1;
		break;
	}
	call->struck = 1;
}

/* Whether its calls are of interest still. */
static int watched(const struct task *task)
{
	if (task->replace || task->kill || task->restore)
		return 1;
	return (only < 0 || task->number == only) && (strike_at == 0 || call_count < strike_at);
}

static void call_begins(struct task *task, const struct __ptrace_syscall_info *info)
{
	struct call *call;

	if (!task->counting || !watched(task))
		return;
	if (call_count == CALLS)
		fail("more than %d calls", CALLS);
	call = &calls[call_count++];
	*call = (struct call){
		.task = task->number, .number = info->entry.nr, .first = info->entry.args[0],
	};
	if (call_count == strike_at)
		strike(task, call);
}

static void call_ends(struct task *task)
{
	registers all;

	if (task->replace) {
		get(task->id, &all);
		RESULT(all) = -error;
		set(task->id, &all);
		task->replace = 0;
	}
	if (task->restore) {
		/* Compilers rely on it that a call changes no argument; but where the result stands. */
		get(task->id, &all);
		if (task->restore == 3)
			THIRD(all) = task->argument;
		else if (&FIRST(all) != &RESULT(all))
			FIRST(all) = task->argument;
		set(task->id, &all);
		task->restore = 0;
	}
	if (task->kill)
		kill(task->id, SIGKILL);
}

static void at_call(struct task *task)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, task->id, sizeof info, &info) <= 0)
		return;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
		call_begins(task, &info);
	else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
		call_ends(task);
}

static void start(char **words, pid_t *program)
{
	int ready[2];
	char byte = 0;
	long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK
		| PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;

	if (pipe2(ready, O_CLOEXEC) != 0)
		fail("no pipe: %s", strerror(errno));
	*program = fork();
	if (*program < 0)
		fail("no fork: %s", strerror(errno));
	if (*program == 0) {
		close(ready[1]);
		/* Anything but a byte is that the tracer has gone. */
		if (read(ready[0], &byte, 1) != 1)
			_exit(120);
		execvp(words[0], words);
		_exit(120);
	}
	close(ready[0]);
	if (ptrace(PTRACE_SEIZE, *program, 0, options) != 0)
		fail("no tracing: %s", strerror(errno));
	task_of(*program);
	if (ptrace(PTRACE_INTERRUPT, *program, 0, 0) != 0 || write(ready[1], &byte, 1) != 1)
		fail("no start: %s", strerror(errno));
	close(ready[1]);
}

/* Follows all processes to their ends; the status of the first. */
static int follow(pid_t program)
{
	int status, verdict = 120 << 8;
	pid_t id;

	while ((id = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
		struct task *task;
		int pass = 0, event = status >> 16;

		if (id < 0)
			continue;
		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			if (id == program)
				verdict = status;
			task = task_of(id);
			/* Numbers of processes come again. */
			task->id = 0;
			continue;
		}
		task = task_of(id);
		if (WSTOPSIG(status) == (SIGTRAP | 0x80))
			at_call(task);
		else if (event == PTRACE_EVENT_STOP && WSTOPSIG(status) != SIGTRAP) {
			ptrace(PTRACE_LISTEN, id, 0, 0);
			continue;
		} else if (event == PTRACE_EVENT_EXEC)
			task->counting = 1;
		else if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE) {
			unsigned long child;

			/* Its number is given now, unless it was seen before its parent. */
			if (ptrace(PTRACE_GETEVENTMSG, id, 0, &child) == 0)
				task_of(child);
		} else if (event == 0)
			pass = WSTOPSIG(status);
		ptrace(watched(task) ? PTRACE_SYSCALL : PTRACE_CONT, id, 0, pass);
	}
	return verdict;
}

static void report(FILE *file)
{
	for (long at = 0; at < call_count; at++) {
		const struct call *call = &calls[at];
		size_t name = 0, count = sizeof names / sizeof *names;

		while (name < count && names[name].number != call->number)
			name++;
		if (name < count)
			fprintf(file, "%d %s", call->task, names[name].name);
		else
			fprintf(file, "%d call-%llu", call->task, call->number);
		fprintf(file, call->struck ? " *\n" : "\n");
	}
	if (fclose(file) != 0)
		fail("no report: %s", strerror(errno));
}

static int error_of(const char *word)
{
	for (size_t at = 0; at < sizeof errors / sizeof *errors; at++)
		if (strcmp(errors[at].name, word) == 0)
			return errors[at].number;
	if (atoi(word) <= 0)
		fail("%s is no error that is known here", word);
	return atoi(word);
}

int main(int argc, char **argv)
{
	const char *path = NULL;
	FILE *file;
	int option, status;
	pid_t program;

	while ((option = getopt(argc, argv, "+o:p:")) != -1) {
		if (option == 'o')
			path = optarg;
		else if (option == 'p')
			only = atoi(optarg);
		else
			return 120;
	}
	argv += optind;
	if (argc - optind < 3 || path == NULL)
		fail("usage: faults [-p K] -o REPORT WHAT N program args");
	if (strcmp(argv[0], "none") == 0)
		what = NONE;
	else if (strcmp(argv[0], "before") == 0)
		what = BEFORE;
	else if (strcmp(argv[0], "after") == 0)
		what = AFTER;
	else if (strcmp(argv[0], "short") == 0)
		what = SHORT;
	else {
		what = ERROR;
		error = error_of(argv[0]);
	}
	strike_at = atol(argv[1]);
	calls = calloc(CALLS, sizeof *calls);
	file = fopen(path, "we");
	if (file == NULL || calls == NULL)
		fail("no report %s: %s", path, strerror(errno));
	start(argv + 2, &program);
	/* The pipes of a program are its own: whoever waits for their ends waits for it alone. */
	close(0);
	close(1);
	status = follow(program);
	report(file);
	if (WIFSIGNALED(status)) {
		struct rlimit none = {0, 0};

		setrlimit(RLIMIT_CORE, &none);
		signal(WTERMSIG(status), SIG_DFL);
		raise(WTERMSIG(status));
	}
	return WEXITSTATUS(status);
}
