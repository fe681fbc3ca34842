/* Texts to train on: files, and folders walked for the texts in them.
 *
 * In a folder, hidden files, links, binary files (a NUL byte), files of more than 1 MB and files that are not
 * UTF-8 are passed over.  Files come in the order of their paths, whatever the file system's. */
#ifndef LACUNA_GATHER_H
#define LACUNA_GATHER_H

#include "common/args.h"
#include "lacuna_train.h"

/* Add what lies at the paths: shards (*.bin), texts, folders.  held: not NULL, receives about every twentieth text file (by a hash
 * of its path below the folder), one at least where there are two; shards are not divided.  what: a sentence on the
 * files found is appended.  -1 when something failed (said). */
int gather(lacuna_corpus *corpus, lacuna_corpus *held, const arg_list *paths, buf *what);

#endif
