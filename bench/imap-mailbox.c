/* imap-mailbox ADDRESS PORT USER PASSWORD: one IMAP session whose commands come line by line on descriptor 0.
 *
 * It logs in, prints the milliseconds from connect to the tagged reply, and then for each command one line:
 *
 *     MILLISECONDS ANSWER OCTETS
 *
 * ANSWER is the same number for the same answer, whoever gave it: how many FETCH replies there were, or else a sum
 * over the letters of the untagged SEARCH, SORT and THREAD replies, or how many messages SELECT told. OCTETS are all
 * that came. At the end of its input it logs out.
 *
 * It first waits, fifteen seconds at most, until the server greets. A server that refuses a command, or says nothing
 * for two minutes, ends the run.
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
static char buffer[4 << 20];
static size_t begin, end, octets;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void broken(const char *what, const char *line)
{
	fprintf(stderr, "imap-mailbox: %s: %.60s\n", what, line);
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
	int greeted = reach() && read(server, &byte, 1) == 1 && byte == '*';

	close(server);
	return greeted;
}

/* Makes room and reads what is there. */
static void fill(void)
{
	ssize_t count;

	if (begin > 0) {
		memmove(buffer, buffer + begin, end - begin);
		end -= begin;
		begin = 0;
	}
	count = end < sizeof buffer ? read(server, buffer + end, sizeof buffer - end) : -1;
	if (count <= 0)
		broken("the server has closed, or says nothing", "");
	end += (size_t)count;
	octets += (size_t)count;
}

/* The next line without its CR LF, ended by a NUL; it stands until the next call. */
static char *line(size_t *length)
{
	size_t seen = 0;

	for (;;) {
		char *at = buffer + begin, *lf = memchr(at + seen, '\n', end - begin - seen);

		if (lf) {
			begin = (size_t)(lf + 1 - buffer);
			if (lf == at || lf[-1] != '\r')
				broken("a line without CR LF", at);
			lf[-1] = 0;
			*length = (size_t)(lf - 1 - at);
			return at;
		}
		seen = end - begin;
		fill();
	}
}

static void skip(size_t count)
{
	while (count > end - begin) {
		count -= end - begin;
		begin = end;
		fill();
	}
	begin += count;
}

/* The size of the literal that a line ends in, or -1. */
static long literal(const char *text, size_t length)
{
	const char *open;

	if (length == 0 || text[length - 1] != '}')
		return -1;
	open = memrchr(text, '{', length);
	return open ? atol(open + 1) : -1;
}

static int is_word(const char *text, const char *word)
{
	return strncmp(text, word, strlen(word)) == 0;
}

/* Says a command, if it is one, and takes all up to its tagged reply. */
static unsigned long ask(const char *command)
{
	static unsigned number;
	char tag[16], said[4096];
	unsigned long answer = 0;
	int inside = 0; /* of a reply that a literal has interrupted */

	snprintf(tag, sizeof tag, "a%u ", ++number);
	snprintf(said, sizeof said, "%s%s\r\n", tag, command);
	if (write(server, said, strlen(said)) != (ssize_t)strlen(said))
		broken("cannot say", command);
	for (;;) {
		size_t length;
		char *text = line(&length), *rest;
		long more;

		if (!inside && is_word(text, tag)) {
			if (!is_word(text + strlen(tag), "OK"))
				broken(command, text);
			return answer;
		}
		if (!inside && is_word(text, "* ")) {
			unsigned long count = strtoul(text + 2, &rest, 10);

			if (is_word(text + 2, "SEARCH") || is_word(text + 2, "SORT") || is_word(text + 2, "THREAD")) {
				for (size_t n = 2; n < length; n++)
					answer = answer * 31 + (text[n] == ' ' ? 0 : (unsigned char)text[n]);
				answer %= 1000000007;
			} else if (is_word(rest, " FETCH")) {
				answer++;
			} else if (is_word(rest, " EXISTS")) {
				answer = count;
			}
		}
		more = literal(text, length);
		inside = more >= 0;
		if (inside)
			skip((size_t)more);
	}
}

int main(int argc, char **argv)
{
	char command[4000];
	size_t length;
	double since;

	if (argc != 5 || inet_pton(AF_INET, argv[1], &address.sin_addr) != 1 || ntohl(address.sin_addr.s_addr) >> 24 != 127) {
		fprintf(stderr, "usage: imap-mailbox loopback-address port user password\n");
		return 100;
	}
	address.sin_port = htons(atoi(argv[2]));
	for (since = now(); !greets(); usleep(20000))
		if (now() - since > 15000)
			broken("no server", argv[1]);
	since = now();
	if (!reach() || !is_word(line(&length), "* OK"))
		broken("no server", argv[1]);
	snprintf(command, sizeof command, "LOGIN %s %s", argv[3], argv[4]);
	ask(command);
	printf("%.1f\n", now() - since);
	fflush(stdout);
	while (fgets(command, sizeof command, stdin)) {
		unsigned long answer;

		command[strcspn(command, "\n")] = 0;
		octets = 0;
		since = now();
		answer = ask(command);
		printf("%.1f %lu %zu\n", now() - since, answer, octets);
		fflush(stdout);
	}
	ask("LOGOUT");
	return 0;
}
