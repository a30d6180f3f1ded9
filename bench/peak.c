/* peak PID...: the most private memory that any one process had, of these and all their descendants.
 *
 * The kernel keeps no peak of it, so /proc/PID/smaps_rollup of all is read again and again, 2 ms apart, until descriptor
 * 0 ends. Prints one line:
 *
 *     DIRTY ANONYMOUS NAME LOOKS
 *
 * the most Private_Dirty and the most Anonymous in kB, the name of the process with the latter, and how often was looked.
 */
#include <ctype.h>
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST 32768

static long ids[MOST], parents[MOST];
static int count, family[MOST];
static long most_dirty, most_anonymous;
static char most_name[64] = "-";

/* The bytes of a file of /proc as a string; its length, or 0. */
static size_t slurp(char *room, size_t size, const char *name, long id)
{
	char path[64];
	FILE *file;
	size_t length;

	snprintf(path, sizeof path, "/proc/%ld/%s", id, name);
	file = fopen(path, "r");
	if (!file)
		return 0;
	length = fread(room, 1, size - 1, file);
	room[length] = 0;
	fclose(file);
	return length;
}

static void list(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	char text[1024], *end;

	count = 0;
	while (proc && (entry = readdir(proc)) && count < MOST) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		ids[count] = atol(entry->d_name);
		if (slurp(text, sizeof text, "stat", ids[count]) && (end = strrchr(text, ')')) && strlen(end) > 4)
			parents[count++] = atol(end + 4);
	}
	if (proc)
		closedir(proc);
}

static int belongs(long id, char **roots)
{
	for (int depth = 0; id > 1 && depth < 100; depth++) {
		int n;

		for (char **root = roots; *root; root++)
			if (atol(*root) == id)
				return 1;
		for (n = 0; n < count && ids[n] != id; n++)
			;
		id = n < count ? parents[n] : 0;
	}
	return 0;
}

static long field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? atol(at + strlen(name)) : 0;
}

static void look(long id)
{
	char text[4096], name[64];
	long dirty, anonymous;

	if (!slurp(text, sizeof text, "smaps_rollup", id))
		return;
	dirty = field(text, "Private_Dirty:");
	anonymous = field(text, "Anonymous:");
	if (dirty > most_dirty)
		most_dirty = dirty;
	if (anonymous > most_anonymous && slurp(name, sizeof name, "comm", id)) {
		most_anonymous = anonymous;
		name[strcspn(name, "\n")] = 0;
		strcpy(most_name, name);
	}
}

int main(int argc, char **argv)
{
	struct pollfd wait = { .fd = 0, .events = POLLIN };
	long looks = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: peak pid...\n");
		return 100;
	}
	do {
		list();
		for (int n = 0; n < count; n++)
			family[n] = belongs(ids[n], argv + 1);
		for (int n = 0; n < count; n++)
			if (family[n])
				look(ids[n]);
		looks++;
	} while (poll(&wait, 1, 2) == 0);
	printf("%ld %ld %s %ld\n", most_dirty, most_anonymous, most_name, looks);
	return 0;
}
