// LLVM, which OpenCL drivers on a CPU bring along, runs hundreds of constructors all over its code when it is opened:
// some 50 MB stay resident of which little is run again. Linux maps those that are from its page cache.
#define _GNU_SOURCE  // dl_iterate_phdr
#include "COpenCL.h"

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MIN_BYTES = 16 << 20 };

static int release_segments(struct dl_phdr_info *library, size_t size, void *unused) {
    (void)size;
    (void)unused;
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < library->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &library->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W) || segment->p_filesz < MIN_BYTES) continue;
        const uintptr_t start = library->dlpi_addr + segment->p_vaddr, end = start + segment->p_filesz;
        const uintptr_t first = (start + page - 1) / page * page, last = end / page * page;
        // Never written, so nothing is lost.
        madvise((void *)first, last - first, MADV_DONTNEED);
    }
    return 0;
}

void ocl_release_code_pages(void) { dl_iterate_phdr(release_segments, NULL); }
