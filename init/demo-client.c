/*
 * demo-client SOURCE PORT FROM TO: sends one message, read from standard input, by SMTP to PORT of
 * 127.0.0.1, from the loopback address SOURCE, and shows the conversation.
 *
 * For the demonstration only: it is there because a fresh machine has no other client that can
 * choose its own address. Exit status: 0 accepted, 1 refused (the reply is the last one shown before
 * QUIT), 2 the server hung up or could not be reached.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { ACCEPTED, REFUSED, GONE };

static FILE *from_server, *to_server;

static void gone(const char *why)
{
    printf("   (%s)\n", why);
    exit(GONE);
}

/* Reads a reply to its last line; its code. */
static int reply(void)
{
    char line[1000];
    do {
        if (!fgets(line, sizeof line, from_server)) gone("the server hung up");
        line[strcspn(line, "\r\n")] = 0;
        printf("S: %s\n", line);
    } while (strlen(line) > 3 && line[3] == '-');
    return atoi(line);
}

static void say(const char *verb, const char *argument, const char *end)
{
    printf("C: %s%s%s\n", verb, argument, end);
    fprintf(to_server, "%s%s%s\r\n", verb, argument, end);
    fflush(to_server);
}

static int step(const char *verb, const char *argument, const char *end)
{
    say(verb, argument, end);
    return reply() < 400;
}

/* Standard input with CRLF, dots doubled, and the end mark. */
static void text(void)
{
    char line[1000];
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\r\n")] = 0;
        printf("C: %s\n", line);
        fprintf(to_server, "%s%s\r\n", line[0] == '.' ? "." : "", line);
    }
    say(".", "", "");
}

int main(int argc, char **argv)
{
    struct sockaddr_in source = {.sin_family = AF_INET}, server = {.sin_family = AF_INET};
    struct timeval patience = {.tv_sec = 20};
    int result = REFUSED, fd;

    if (argc != 5 || inet_pton(AF_INET, argv[1], &source.sin_addr) != 1) {
        fprintf(stderr, "usage: demo-client SOURCE PORT FROM TO <message\n");
        return 100;
    }
    server.sin_port = htons((unsigned short)atoi(argv[2]));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (void *)&source, sizeof source) < 0) gone("that address cannot be used");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (void *)&server, sizeof server) < 0) gone("the server does not answer");
    from_server = fdopen(fd, "r");
    to_server = fdopen(dup(fd), "w");
    if (!from_server || !to_server) gone("out of memory");

    if (reply() < 400 && step("EHLO demo-client", "", "") && step("MAIL FROM:<", argv[3], ">")
        && step("RCPT TO:<", argv[4], ">") && step("DATA", "", "")) {
        text();
        if (reply() < 400) result = ACCEPTED;
    }
    step("QUIT", "", "");
    return result;
}
