/* pop3-mailbox ADDRESS PORT USER PASSWORD MESSAGES RETRIEVE: one POP3 session over a large mailbox, timed.
 *
 * It logs in and says STAT, which must tell MESSAGES; then, where RETRIEVE is not 0, LIST, UIDL, and RETR of
 * the first RETRIEVE messages one by one. Prints one line and waits for the end of its input before it says
 * QUIT, so that one can look at the server's memory:
 *
 *     LOGIN LIST UIDL RETR OCTETS WRONG
 *
 * milliseconds from connect to the reply to STAT, and those of the other steps; the octets that STAT told;
 * how many messages had another size than LIST had told.
 *
 * It first waits, fifteen seconds at most, until the server greets.
 *
 * A server that says what it should not, or nothing for two minutes, ends the run.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_in address = { .sin_family = AF_INET };
static int server;
static char buffer[262144];
static size_t begin, end;
static long *sizes;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void broken(const char *what, const char *line)
{
	fprintf(stderr, "pop3-mailbox: %s: %.60s\n", what, line);
	exit(111);
}

/* Connects; 1 when that is done. */
static int reach(void)
{
	struct timeval limit = { .tv_sec = 120 };
	int on = 1;

	server = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	return connect(server, (struct sockaddr *)&address, sizeof address) == 0;
}

/* Whether the server greets already. */
static int greets(void)
{
	char byte = 0;
	int greeted = reach() && read(server, &byte, 1) == 1 && byte == '+';

	close(server);
	return greeted;
}

/* The next line without its CR LF, ended by a NUL; it stands until the next call. */
static char *line(size_t *length)
{
	for (;;) {
		char *at = buffer + begin, *lf = memchr(at, '\n', end - begin);
		ssize_t count;

		if (lf) {
			begin = lf + 1 - buffer;
			if (lf == at || lf[-1] != '\r')
				broken("a line without CR LF", at);
			lf[-1] = 0;
			*length = lf - 1 - at;
			return at;
		}
		memmove(buffer, at, end - begin);
		end -= begin;
		begin = 0;
		count = end < sizeof buffer ? read(server, buffer + end, sizeof buffer - end) : -1;
		if (count <= 0)
			broken("the server has closed, or says nothing", "");
		end += count;
	}
}

/* Says a command (where there is one) and takes the first line of its reply. */
static char *ask(const char *command)
{
	size_t length = strlen(command);
	char *reply;

	if (length && write(server, command, length) != (ssize_t)length)
		broken("cannot say", command);
	reply = line(&length);
	if (strncmp(reply, "+OK", 3) != 0)
		broken(command, reply);
	return reply;
}

/* Takes a list of lines "number something" to its end and returns how many there were. */
static long list(const char *command, long messages, long *into)
{
	long count = 0;
	size_t length;
	char *text;

	ask(command);
	while (strcmp(text = line(&length), ".") != 0) {
		char *rest;
		long number = strtol(text, &rest, 10);

		if (number != ++count || number > messages || *rest != ' ')
			broken(command, text);
		if (into)
			into[number - 1] = atol(rest);
	}
	return count;
}

/* The octets of a message as it was before dots were stuffed. */
static long retrieve(long number)
{
	char command[32];
	size_t length;
	long octets = 0;
	char *text;

	snprintf(command, sizeof command, "RETR %ld\r\n", number);
	ask(command);
	for (;;) {
		text = line(&length);
		if (length == 1 && *text == '.')
			return octets;
		octets += (long)length + 2 - (*text == '.');
	}
}

int main(int argc, char **argv)
{
	long messages, wanted, octets, wrong = 0;
	double since, login, listed = 0, named = 0, retrieved = 0;
	char command[300], *rest, byte;

	if (argc != 7 || inet_pton(AF_INET, argv[1], &address.sin_addr) != 1 || ntohl(address.sin_addr.s_addr) >> 24 != 127) {
		fprintf(stderr, "usage: pop3-mailbox loopback-address port user password messages retrieve\n");
		return 100;
	}
	address.sin_port = htons(atoi(argv[2]));
	messages = atol(argv[5]);
	wanted = atol(argv[6]);
	sizes = calloc(messages, sizeof *sizes);
	for (since = now(); !greets(); usleep(20000))
		if (now() - since > 15000)
			broken("no server", argv[1]);
	since = now();
	if (!sizes || !reach())
		broken("no server", argv[1]);
	ask("");
	snprintf(command, sizeof command, "USER %s\r\n", argv[3]);
	ask(command);
	snprintf(command, sizeof command, "PASS %s\r\n", argv[4]);
	ask(command);
	rest = ask("STAT\r\n") + 3;
	login = now() - since;
	if (strtol(rest, &rest, 10) != messages)
		broken("STAT tells another number of messages", rest);
	octets = atol(rest);
	if (wanted) {
		since = now();
		if (list("LIST\r\n", messages, sizes) != messages)
			broken("LIST is not complete", "");
		listed = now() - since;
		since = now();
		if (list("UIDL\r\n", messages, NULL) != messages)
			broken("UIDL is not complete", "");
		named = now() - since;
		since = now();
		for (long n = 1; n <= wanted && n <= messages; n++)
			wrong += retrieve(n) != sizes[n - 1];
		retrieved = now() - since;
	}
	printf("%.1f %.1f %.1f %.1f %ld %ld\n", login, listed, named, retrieved, octets, wrong);
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	ask("QUIT\r\n");
	return 0;
}
