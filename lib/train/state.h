/* The state of a run in a safetensors file, written to a temporary name, synced and renamed.
 *
 *   w/NAME, m/NAME, v/NAME, ema/NAME   F32, one a parameter (v without Muon's matrices, ema where there is one)
 *   __metadata__                       "lacuna": JSON of everything else that makes a run: options, sizes, step, counts
 *                                      "lacuna.sum": XXH64 of that text and of the tensors, in hexadecimal
 *
 * A file that carries only w/ is one whose optimiser starts afresh. */
#ifndef LAC_TRAIN_STATE_H
#define LAC_TRAIN_STATE_H

#include "train/optim.h"

/* IO, NOMEM.  meta: JSON text. */
int lac_state_save(const char *path, const lac_params *ps, const lac_optim *s, bool muon, const char *meta, const lacuna_allocator *mem,
                   lacuna_error *err);

/* The metadata of a state file, whose checksum must be right (a file without one passes), to be freed with lac_mem_free(mem, *meta, *size); NUL-terminated, *size counts the NUL. IO, FORMAT. */
int lac_state_meta(const char *path, char **meta, size_t *size, const lacuna_allocator *mem, lacuna_error *err);

/* Fill s (arrays allocated) from a file whose shapes must be those of ps.  FORMAT names the tensor.  s->step is not touched. */
int lac_state_load(const char *path, const lac_params *ps, lac_optim *s, bool muon, const lacuna_allocator *mem, lacuna_error *err);

/* The weights alone (w [total]) as a checkpoint that `lacuna convert` reads, with the hyper-parameters as metadata. */
int lac_state_export(const char *path, const lac_params *ps, const float *w, const lacuna_allocator *mem, lacuna_error *err);

#endif
