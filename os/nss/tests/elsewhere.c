/*
 * A source of NSS for the tests: one user, "nina", who is in no file. Compiled to libnss_NAME.so.2, with
 * -DNAME(x)=_nss_NAME_##x. Her shell is longer than the first buffer of whoever asks.
 */
#include <errno.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <shadow.h>
#include <string.h>

enum { SHELL_BYTES = 20000 };

static int is_nina(const char *name) { return strcmp(name, "nina") == 0; }

enum nss_status NAME(getpwnam_r)(const char *name, struct passwd *entry, char *buffer, size_t length, int *error) {
    if (!is_nina(name)) {
        *error = ENOENT;
        return NSS_STATUS_NOTFOUND;
    }
    if (length < SHELL_BYTES + 1) {
        *error = ERANGE;
        return NSS_STATUS_TRYAGAIN;
    }
    memset(buffer, 's', SHELL_BYTES);
    buffer[0] = '/';
    buffer[SHELL_BYTES] = 0;
    memset(entry, 0, sizeof *entry);
    entry->pw_name = "nina";
    entry->pw_passwd = "x";
    entry->pw_uid = 7100;
    entry->pw_gid = 7101;
    entry->pw_gecos = "";
    entry->pw_dir = "/home/nina";
    entry->pw_shell = buffer;
    return NSS_STATUS_SUCCESS;
}

enum nss_status NAME(getspnam_r)(const char *name, struct spwd *entry, char *buffer, size_t length, int *error) {
    (void)buffer;
    (void)length;
    if (!is_nina(name)) {
        *error = ENOENT;
        return NSS_STATUS_NOTFOUND;
    }
    memset(entry, 0, sizeof *entry);
    entry->sp_namp = "nina";
    entry->sp_pwdp = "rl.3StKT.4T8M";
    entry->sp_lstchg = 19000;
    entry->sp_min = entry->sp_max = entry->sp_warn = entry->sp_inact = entry->sp_expire = -1;
    return NSS_STATUS_SUCCESS;
}

enum nss_status NAME(initgroups_dyn)(const char *name, gid_t first, long *used, long *size, gid_t **groups, long limit,
                                     int *error) {
    static const gid_t hers[] = {7102, 7103};
    (void)first;
    (void)limit;
    if (!is_nina(name) || *size - *used < 2) {
        *error = ENOENT;
        return NSS_STATUS_NOTFOUND;
    }
    for (int i = 0; i < 2; i++) (*groups)[(*used)++] = hers[i];
    return NSS_STATUS_SUCCESS;
}
