/* mailbox DIR COUNT KIND: makes DIR a Maildir of COUNT messages, always the same ones for the same COUNT and
 * KIND. KIND is "mixed" (half plain text, two fifths text and HTML, a tenth with an attachment; 5.2 kB each on
 * the average) or "small" (300 bytes). Prints one line:
 *
 *     MESSAGES OCTETS FILE_OCTETS
 *
 * OCTETS as POP3 counts them (each line end two octets), FILE_OCTETS as the file system does.
 *
 * All are in cur with the flag S, so that no server has a reason to rename one.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>

#define FIRST 1500000000L
#define WORDS 3000

static uint64_t state = 7;
static char words[WORDS][12];
static char message[131072];
static size_t length;
static char last_id[64];

/* A number from low to high, both included (xorshift64*). */
static long between(long low, long high)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return low + (long)((state * 2685821657736338717u >> 33) % (uint64_t)(high - low + 1));
}

static void add(const char *text)
{
	size_t more = strlen(text);

	if (length + more < sizeof message) {
		memcpy(message + length, text, more);
		length += more;
	}
}

static const char *word(void)
{
	return words[between(0, WORDS - 1)];
}

/* Lines of up to 72 columns. */
static void text(long count)
{
	size_t column = 0;

	for (long n = 0; n < count; n++) {
		const char *next = word();

		if (column + strlen(next) > 71) {
			add("\n");
			column = 0;
		} else if (column > 0) {
			add(" ");
			column++;
		}
		add(next);
		column += strlen(next);
	}
	add("\n");
}

static void base64(long octets)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char line[78];

	for (; octets > 0; octets -= 57) {
		for (int n = 0; n < 76; n++)
			line[n] = digits[between(0, 63)];
		line[76] = '\n';
		line[77] = 0;
		add(line);
	}
}

static void header(const char *name, const char *value)
{
	add(name);
	add(": ");
	add(value);
	add("\n");
}

static void person(const char *name)
{
	char value[128];

	snprintf(value, sizeof value, "%s %s <%s@%s.example>", word(), word(), word(), word());
	header(name, value);
}

static void mixed(long number)
{
	char value[256], date[64], boundary[32];
	time_t when = FIRST + number * 60;
	long kind;

	strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S +0000", gmtime(&when));
	snprintf(value, sizeof value, "<%s@example.net>", word());
	header("Return-Path", value);
	header("Delivered-To", "bench@example.net");
	snprintf(value, sizeof value, "from %s.example (192.0.2.%ld)\n  by mx.example.net with SMTP; %s", word(), between(1, 254), date);
	header("Received", value);
	snprintf(value, sizeof value, "<%ld.%lx@%s.example>", number, between(0, 1L << 30), word());
	header("Message-ID", value);
	header("Date", date);
	person("From");
	person("To");
	add("Subject: ");
	text(between(2, 9));
	if (*last_id && between(0, 1)) {
		header("In-Reply-To", last_id);
		header("References", last_id);
	}
	snprintf(last_id, sizeof last_id, "%s", value);
	header("MIME-Version", "1.0");
	kind = between(0, 99);
	snprintf(boundary, sizeof boundary, "b%lx", between(1L << 20, 1L << 30));
	if (kind < 50) {
		add("Content-Type: text/plain; charset=utf-8\n\n");
		text(between(20, 400));
		return;
	}
	add(kind < 90 ? "Content-Type: multipart/alternative; boundary=\"" : "Content-Type: multipart/mixed; boundary=\"");
	add(boundary);
	add("\"\n\n--");
	add(boundary);
	add("\nContent-Type: text/plain; charset=us-ascii\n\n");
	text(between(20, 200));
	add("\n--");
	add(boundary);
	if (kind < 90) {
		add("\nContent-Type: text/html; charset=utf-8\n\n<html><body><p>");
		text(between(20, 300));
		add("</p></body></html>\n--");
	} else {
		add("\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n");
		base64(between(2000, 43500));
		add("\n--");
	}
	add(boundary);
	add("--\n");
}

static void small(long number)
{
	char value[64];

	snprintf(value, sizeof value, "<%ld@small.example>", number);
	header("Message-ID", value);
	person("From");
	person("To");
	add("Subject: ");
	text(3);
	add("\n");
	text(between(15, 25));
}

/* Writes the message to DIR/cur; 0 when that fails. */
static int store(const char *dir, long number)
{
	char path[4096];
	struct timeval when[2] = { { .tv_sec = FIRST + number * 60 }, { .tv_sec = FIRST + number * 60 } };
	FILE *file;
	int good;

	snprintf(path, sizeof path, "%s/cur/%ld.M%06ldP%ld.mx.example.net:2,S", dir, FIRST + number * 60, number, 1000 + number % 50000);
	file = fopen(path, "w");
	if (!file)
		return 0;
	good = fwrite(message, 1, length, file) == length;
	return fclose(file) == 0 && good && utimes(path, when) == 0;
}

int main(int argc, char **argv)
{
	static const char *parts[] = { "", "/new", "/cur", "/tmp" };
	long count, octets = 0, stored = 0;
	char path[4096];

	if (argc != 4 || (count = atol(argv[2])) < 1 || (strcmp(argv[3], "mixed") != 0 && strcmp(argv[3], "small") != 0)) {
		fprintf(stderr, "usage: mailbox dir count mixed|small\n");
		return 100;
	}
	for (int n = 0; n < 4; n++) {
		snprintf(path, sizeof path, "%s%s", argv[1], parts[n]);
		if (mkdir(path, 0700) != 0 && errno != EEXIST) {
			perror(path);
			return 111;
		}
	}
	for (int n = 0; n < WORDS; n++) {
		long letters = between(2, 10);

		for (long letter = 0; letter < letters; letter++)
			words[n][letter] = (char)between('a', 'z');
	}
	for (long number = 0; number < count; number++) {
		length = 0;
		if (*argv[3] == 'm')
			mixed(number);
		else
			small(number);
		if (!store(argv[1], number)) {
			perror("mailbox");
			return 111;
		}
		stored += (long)length;
		octets += (long)length;
		for (size_t n = 0; n < length; n++)
			octets += message[n] == '\n';
	}
	printf("%ld %ld %ld\n", count, octets, stored);
	return 0;
}
