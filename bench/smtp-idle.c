/* smtp-idle ADDRESS PORT COUNT: opens COUNT SMTP sessions, says EHLO in each, and holds them.
 *
 * When all have answered it prints "open COUNT", and waits for the end of its input before it says QUIT. It first waits,
 * fifteen seconds at most, until the server listens.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define MOST 1000

static struct sockaddr_in server = { .sin_family = AF_INET };

static int reach(void)
{
	struct timeval limit = { .tv_sec = 30 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	if (connect(fd, (struct sockaddr *)&server, sizeof server) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Whether what comes next is a whole reply with this code. */
static int replies(int fd, const char *code)
{
	char line[1024];
	size_t length = 0;

	while (length < sizeof line && read(fd, line + length, 1) == 1) {
		if (line[length++] != '\n')
			continue;
		if (length < 5 || strncmp(line, code, 3) != 0)
			return 0;
		if (line[3] == ' ')
			return 1;
		length = 0;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static int sessions[MOST];
	long count = argc == 4 ? atol(argv[3]) : 0;
	int first = -1;
	char byte;

	if (argc != 4 || inet_pton(AF_INET, argv[1], &server.sin_addr) != 1 ||
	    ntohl(server.sin_addr.s_addr) >> 24 != 127 || count < 1 || count > MOST) {
		fprintf(stderr, "usage: smtp-idle loopback-address port count\n");
		return 100;
	}
	server.sin_port = htons(atoi(argv[2]));
	for (int n = 0; n < 750 && (first = reach()) < 0; n++)
		usleep(20000);
	if (first >= 0)
		close(first);
	for (long n = 0; n < count; n++) {
		sessions[n] = reach();
		if (sessions[n] < 0 || !replies(sessions[n], "220") || write(sessions[n], "EHLO bench.example\r\n", 20) != 20 ||
		    !replies(sessions[n], "250")) {
			fprintf(stderr, "smtp-idle: session %ld: the server does not answer\n", n + 1);
			return 111;
		}
	}
	printf("open %ld\n", count);
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	for (long n = 0; n < count; n++)
		if (write(sessions[n], "QUIT\r\n", 6) != 6 || !replies(sessions[n], "221"))
			return 111;
	return 0;
}
