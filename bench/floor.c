/* floor ADDRESS PORT PROGRAM: what starting a program a connection costs when nothing else is done.
 *
 * Four threads accept, vfork and exec, one more reaps. No rules, no limit, no log, no environment: no
 * server that starts a program can be faster, so the distance to it is what ours costs.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4

static int listener;
static char *program;

static void *serve(void *unused)
{
	char *words[] = { program, NULL };
	char *none[] = { NULL };

	for (;;) {
		int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (client < 0)
			continue;
		if (vfork() == 0) {
			if (dup2(client, 0) == 0 && dup2(client, 1) == 1)
				execve(program, words, none);
			_exit(111);
		}
		close(client);
	}
	return unused;
}

static void *reap(void *unused)
{
	for (;;)
		if (wait(NULL) < 0 && errno == ECHILD)
			usleep(500);
	return unused;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	pthread_t thread;
	int on = 1;

	if (argc != 4 || inet_pton(AF_INET, argv[1], &address.sin_addr) != 1) {
		fprintf(stderr, "usage: floor address port program\n");
		return 100;
	}
	address.sin_port = htons(atoi(argv[2]));
	program = argv[3];
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 1000) != 0) {
		perror("floor");
		return 111;
	}
	pthread_create(&thread, NULL, reap, NULL);
	for (int n = 1; n < THREADS; n++)
		pthread_create(&thread, NULL, serve, NULL);
	serve(NULL);
}
