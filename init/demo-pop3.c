/*
 * demo-pop3 PORT user|apop NAME PASSWORD: fetches all mail by POP3 from PORT of 127.0.0.1 and shows the
 * conversation. It proves who it is by USER and PASS, or by APOP, whose digest md5sum(1) computes.
 *
 * For the demonstration only: it is there because a fresh machine has no other client that speaks
 * APOP. Exit status: 0 fetched, 1 refused (the reply is the last one shown), 2 the server hung up or
 * could not be reached.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { FETCHED, REFUSED, GONE };

static FILE *from_server, *to_server;
static char line[1000];

static void gone(const char *why)
{
    printf("   (%s)\n", why);
    exit(GONE);
}

static void read_line(void)
{
    if (!fgets(line, sizeof line, from_server)) gone("the server hung up");
    line[strcspn(line, "\r\n")] = 0;
    printf("S: %s\n", line);
}

/* Reads the first line of a reply; whoever is refused goes no further. */
static void reply(void)
{
    read_line();
    if (strncmp(line, "+OK", 3) != 0) exit(REFUSED);
}

static void ask(const char *verb, const char *argument)
{
    printf("C: %s%s\n", verb, argument);
    fprintf(to_server, "%s%s\r\n", verb, argument);
    fflush(to_server);
    reply();
}

/* The digest of the challenge, which the greeting has between < and >, and the password. */
static void digest(const char *challenge, const char *password, char *hex)
{
    char name[] = "/tmp/demo-pop3.XXXXXX", command[100];
    const char *end = strchr(challenge, '>');
    int fd = mkstemp(name);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    FILE *sum;

    if (!file || !end) gone("there is no challenge, or no room for it");
    fwrite(challenge, 1, (size_t)(end - challenge) + 1, file);
    fputs(password, file);
    fclose(file);
    snprintf(command, sizeof command, "md5sum <%s", name);
    sum = popen(command, "r");
    if (!sum || fread(hex, 1, 32, sum) != 32) gone("md5sum does not run");
    hex[32] = 0;
    pclose(sum);
    unlink(name);
}

int main(int argc, char **argv)
{
    struct sockaddr_in server = {.sin_family = AF_INET};
    struct timeval patience = {.tv_sec = 20};
    char argument[200], hex[33];
    const char *challenge;
    int fd, count, number;

    if (argc != 5) {
        fprintf(stderr, "usage: demo-pop3 PORT user|apop NAME PASSWORD\n");
        return 100;
    }
    server.sin_port = htons((unsigned short)atoi(argv[1]));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (fd < 0 || connect(fd, (void *)&server, sizeof server) < 0) gone("the server does not answer");
    from_server = fdopen(fd, "r");
    to_server = fdopen(dup(fd), "w");
    if (!from_server || !to_server) gone("out of memory");

    reply();
    if (strcmp(argv[2], "apop") == 0) {
        challenge = strchr(line, '<');
        digest(challenge ? challenge : "", argv[4], hex);
        snprintf(argument, sizeof argument, "%s %s", argv[3], hex);
        ask("APOP ", argument);
    } else {
        ask("USER ", argv[3]);
        ask("PASS ", argv[4]);
    }
    ask("STAT", "");
    count = atoi(line + strlen("+OK "));
    for (number = 1; number <= count; number++) {
        snprintf(argument, sizeof argument, "%d", number);
        ask("RETR ", argument);
        do read_line(); while (strcmp(line, ".") != 0);
    }
    ask("QUIT", "");
    return FETCHED;
}
