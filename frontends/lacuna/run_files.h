/* Where a run is written: its state and its model, and what stands in their place already. */
#ifndef LACUNA_RUN_FILES_H
#define LACUNA_RUN_FILES_H

typedef struct {
    char *state, *model; /* owned */
    char *folder;        /* owned: of both, to be made; or NULL */
} run_files;

/* OUT.gguf: the model, and its state beside it; another name: a folder for both; NULL: where the state is that is resumed (or NULL). */
void run_files_name(run_files *f, const char *out, const char *resume);

/* Make the folder, if need be.  0, or -1 (said). */
int run_files_make(const run_files *f);

/* Would the work of another run than that which is resumed (or NULL) be lost?  A sentence that says so, to be freed; NULL: no. */
char *run_files_lost(const run_files *f, const char *resume);

void run_files_free(run_files *f);

#endif
