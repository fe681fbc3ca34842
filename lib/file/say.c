#include "file/say.h"

#include <string.h>

#include "base/err.h"

lac_said lac_say_name(lacuna_text name)
{
    lac_said r;
    size_t n = name.len < 64 ? name.len : 64;
    for (size_t i = 0; i < n; i++) r.s[i] = name.bytes[i] >= ' ' && name.bytes[i] <= '~' ? name.bytes[i] : '?';
    memcpy(r.s + n, n < name.len ? "..." : "", n < name.len ? 4 : 1);
    return r;
}

void lac_say_base(char *out, size_t cap, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash && slash[1] ? slash + 1 : path;
    size_t n = strlen(base);
    if (n >= cap) {
        n = cap - 1;
        while (n && ((unsigned char)base[n] & 0xC0) == 0x80) n--;
    }
    memcpy(out, base, n);
    out[n] = 0;
}

lac_said_path lac_say_path(const char *path)
{
    lac_said_path r = {""};
    size_t n = strlen(path), at = 0;
    if (n >= sizeof r.s) {
        at = n - (sizeof r.s - 4);
        while (at < n && ((unsigned char)path[at] & 0xC0) == 0x80) at++;
        memcpy(r.s, "...", 4);
    }
    strcat(r.s, path + at);
    return r;
}

int lac_say_errno(lacuna_error *err, const char *verb, const char *path, int number)
{
    char why[96];
    if (strerror_r(number, why, sizeof why)) strcpy(why, "unknown error"); /* POSIX form: no GNU extensions here */
    return lac_err(err, LACUNA_E_IO, 0, "cannot %s %s: %s", verb, lac_say_path(path).s, why);
}
