#include "base/err.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/* Is s[0, n), all of it, the beginning of a sequence of which the rest was cut away? */
static bool is_begun(const char *s, size_t n)
{
    unsigned char lead = (unsigned char)s[0];
    if (lead < 0xC2 || lead > 0xF4 || n >= (lead < 0xE0 ? 2u : lead < 0xF0 ? 3u : 4u)) return false;
    for (size_t i = 1; i < n; i++)
        if (((unsigned char)s[i] & 0xC0) != 0x80) return false;
    return true;
}

/* Make msg[0, len) one line of UTF-8 that does nothing to a terminal: control characters (also U+0080 to
 * U+009F) and bytes that are no UTF-8 become '?', one each.  If it was cut, a partial sequence at its end goes. */
static void clean(char *msg, size_t len, bool cut)
{
    for (size_t i = 0, n; i < len; i += n) {
        n = lac_utf8_char(msg + i, len - i);
        if (!n && cut && is_begun(msg + i, len - i)) {
            msg[i] = 0;
            return;
        }
        bool control = n == 1 ? (unsigned char)msg[i] < 32 || msg[i] == 127
                              : n == 2 && (unsigned char)msg[i] == 0xC2 && (unsigned char)msg[i + 1] < 0xA0;
        if (!n) n = 1, control = true;
        if (control) memset(msg + i, '?', n);
    }
}

int lac_err(lacuna_error *err, lacuna_code code, uint64_t where, const char *fmt, ...)
{
    if (!err) return code;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    if (n < 0) err->msg[0] = 0; /* no format of ours, but then what is there is undefined */
    err->code = code;
    err->where = where;
    clean(err->msg, strlen(err->msg), n >= (int)sizeof err->msg);
    return code;
}

int lac_nomem(lacuna_error *err, const char *what)
{
    return lac_err(err, LACUNA_E_NOMEM, 0, "out of memory (%s)", what);
}

void lac_err_clear(lacuna_error *err)
{
    if (err) *err = (lacuna_error){0};
}

const char *lacuna_code_name(int code)
{
    static const char *const names[] = {"OK", "NOMEM", "ARG", "IO", "FORMAT", "VERSION", "LIMIT", "CONSTRAINT",
                                        "CANCELLED", "INTERNAL"};
    return code <= 0 && code >= LACUNA_E_INTERNAL ? names[-code] : "?";
}

#define STR_(x) #x
#define STR(x) STR_(x)
const char *lacuna_version(void)
{
    return STR(LACUNA_VERSION_MAJOR) "." STR(LACUNA_VERSION_MINOR) "." STR(LACUNA_VERSION_PATCH);
}
