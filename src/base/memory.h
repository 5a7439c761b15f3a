#ifndef MU_BASE_MEMORY_H
#define MU_BASE_MEMORY_H

/* Where the program is linked with mimalloc, malloc() and free() are mimalloc's: see docs/design/build.md. */

/* From now on what is freed goes back to the system at once, instead of being kept for a while. It is for a process that
 * stays, whose bursts take several times the memory that it needs between them. */
void mu_memory_keep_little(void);

#endif
