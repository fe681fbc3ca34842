#include "text/spm_shim.h"

#include <sentencepiece_processor.h>

#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

static_assert(std::is_same<int, int32_t>::value, "ids are handed over without a copy");

namespace sentencepiece {
namespace logging { // exported by the library; in its public headers only from 0.2.0 on
int GetMinLogLevel();
void SetMinLogLevel(int level);
} // namespace logging
} // namespace sentencepiece

struct lac_spm {
    sentencepiece::SentencePieceProcessor processor;
};
struct lac_spm_ids {
    std::vector<int> ids;
};

namespace {

constexpr int log_fatal = 3; // below it: info, warning, error

void copy_reason(char *to, size_t size, const char *from)
{
    if (!size) return;
    size_t n = std::strlen(from);
    if (n >= size) n = size - 1;
    std::memcpy(to, from, n);
    to[n] = 0;
}

// Call f; what it throws becomes a code.
template <class F> int guard(char *why, size_t why_size, F f) noexcept
{
    try {
        return f();
    } catch (const std::bad_alloc &) {
        return LAC_SPM_NOMEM;
    } catch (const std::exception &e) {
        copy_reason(why, why_size, e.what());
    } catch (...) {
        copy_reason(why, why_size, "unknown exception");
    }
    return LAC_SPM_FAILED;
}

} // namespace

extern "C" {

int lac_spm_open(lac_spm **out, const void *blob, size_t size, char *why, size_t why_size)
{
    *out = nullptr;
    copy_reason(why, why_size, "unknown reason");
    return guard(why, why_size, [&]() {
        // Initialised once, by one thread, however many open models at the same time.
        static const bool quiet = [] {
            if (sentencepiece::logging::GetMinLogLevel() < log_fatal) sentencepiece::logging::SetMinLogLevel(log_fatal);
            return true;
        }();
        (void)quiet;
        auto m = std::make_unique<lac_spm>();
        auto status = m->processor.LoadFromSerializedProto(std::string_view(static_cast<const char *>(blob), size));
        if (!status.ok()) {
            copy_reason(why, why_size, status.error_message());
            return static_cast<int>(LAC_SPM_FAILED);
        }
        *out = m.release();
        return static_cast<int>(LAC_SPM_OK);
    });
}

void lac_spm_free(lac_spm *m) { delete m; }

uint32_t lac_spm_count(const lac_spm *m) { return static_cast<uint32_t>(m->processor.GetPieceSize()); }

const char *lac_spm_piece(const lac_spm *m, uint32_t id, size_t *len)
{
    const std::string &s = m->processor.IdToPiece(static_cast<int>(id));
    *len = s.size();
    return s.data();
}

int32_t lac_spm_find(const lac_spm *m, const char *piece, size_t len)
{
    int id = -1;
    guard(nullptr, 0, [&]() {
        id = m->processor.PieceToId(std::string_view(piece, len));
        return 0;
    });
    return id;
}

bool lac_spm_is_control(const lac_spm *m, uint32_t id) { return m->processor.IsControl(static_cast<int>(id)); }
bool lac_spm_is_unknown(const lac_spm *m, uint32_t id) { return m->processor.IsUnknown(static_cast<int>(id)); }
bool lac_spm_is_byte(const lac_spm *m, uint32_t id) { return m->processor.IsByte(static_cast<int>(id)); }
bool lac_spm_is_unused(const lac_spm *m, uint32_t id) { return m->processor.IsUnused(static_cast<int>(id)); }

lac_spm_ids *lac_spm_ids_new(void) { return new (std::nothrow) lac_spm_ids; }
void lac_spm_ids_free(lac_spm_ids *ids) { delete ids; }

int lac_spm_encode(const lac_spm *m, const char *s, size_t n, lac_spm_ids *scratch, const int32_t **ids, size_t *count)
{
    *ids = nullptr;
    *count = 0;
    return guard(nullptr, 0, [&]() {
        if (!m->processor.Encode(std::string_view(s, n), &scratch->ids).ok()) return static_cast<int>(LAC_SPM_FAILED);
        *ids = scratch->ids.data();
        *count = scratch->ids.size();
        return static_cast<int>(LAC_SPM_OK);
    });
}

} // extern "C"
