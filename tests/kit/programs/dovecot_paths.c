/* dovecot_paths: lets a Dovecot that was unpacked below ROOT (a string, set with -D) find its parts.
 *
 * Almost all of its places are settings; that of the modules which its login processes load is
 * compiled in. Preloaded, this answers for the two calls that such a load is made of.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define COMPILED_IN "/usr/lib/dovecot/"

static const char *below_root(const char *path, char room[PATH_MAX])
{
	if (!path || strncmp(path, COMPILED_IN, strlen(COMPILED_IN)) != 0)
		return path;
	snprintf(room, PATH_MAX, "%s%s", ROOT, path);
	return room;
}

DIR *opendir(const char *path)
{
	DIR *(*next)(const char *) = (DIR *(*)(const char *))dlsym(RTLD_NEXT, "opendir");
	char room[PATH_MAX];

	return next(below_root(path, room));
}

void *dlopen(const char *path, int flags)
{
	void *(*next)(const char *, int) = (void *(*)(const char *, int))dlsym(RTLD_NEXT, "dlopen");
	char room[PATH_MAX];

	return next(below_root(path, room), flags);
}
