// The functions of one target. Before it is included: TARGET(name), and `product_` and `row_product_` of that target.

static float TARGET(product)(const vector_table *table, int64_t row, const float *query) {
    return product_(table->rows + row * table->size, query, table->size);
}

static float TARGET(between)(const vector_table *table, int64_t row, int64_t other) {
    return row_product_(table->rows + row * table->size, table->rows + other * table->size, table->size);
}

static inline void TARGET(prefetch)(const vector_table *table, uint32_t node) {
    const char *row = (const char *)(table->rows + (int64_t)node * table->size);
    for (int64_t offset = 0; offset < 2 * table->size; offset += 64) __builtin_prefetch(row + offset);
}

static bool TARGET(visit)(
    vector_walker *walker, const vector_table *table, const float *query, uint32_t node, int64_t width,
    const uint64_t *allowed) {
    node_heap *found = &walker->found;
    scored_node next = {TARGET(product)(table, node, query), node};
    if (found->count >= width && next.score <= found->nodes[0].score) return true;
    if (!heap_push(&walker->open, next, true)) return false;
    if (!may_be_found(allowed, node)) return true;
    if (!heap_push(found, next, false)) return false;
    if (found->count > width) heap_pop(found, false);
    return true;
}

static void TARGET(walk)(
    vector_walker *walker, const vector_table *table, const vector_layer *layer, const float *query, uint32_t start,
    int64_t width, const uint64_t *allowed) {
    walker->marks[start] = walker->number;
    if (!TARGET(visit)(walker, table, query, start, width, allowed)) return;
    while (walker->open.count > 0) {
        scored_node current = heap_pop(&walker->open, true);
        if (walker->found.count >= width && current.score < walker->found.nodes[0].score) return;
        const uint32_t *links = links_of(layer, current.node);
        if (!links) continue;
        int64_t fresh_count = 0;
        for (uint32_t index = 1; index <= links[0]; index++) {
            uint32_t node = links[index];
            if (walker->marks[node] == walker->number) continue;
            walker->marks[node] = walker->number;
            walker->fresh[fresh_count++] = node;
            if (fresh_count <= 2) TARGET(prefetch)(table, node);
        }
        for (int64_t index = 0; index < fresh_count; index++) {
            if (index + 2 < fresh_count) TARGET(prefetch)(table, walker->fresh[index + 2]);
            if (!TARGET(visit)(walker, table, query, walker->fresh[index], width, allowed)) return;
        }
    }
}

static int64_t TARGET(select)(
    const vector_table *table, const uint32_t *candidates, const float *scores, int64_t count, int64_t limit,
    uint32_t *chosen) {
    int64_t taken = 0;
    // Which of the first candidates were passed over, to fill up with.
    int64_t passed = 0;
    uint32_t others[256];
    for (int64_t index = 0; index < count && taken < limit; index++) {
        const uint16_t *row = table->rows + (int64_t)candidates[index] * table->size;
        bool is_new = true;
        for (int64_t other = 0; is_new && other < taken; other++)
            is_new = row_product_(row, table->rows + (int64_t)chosen[other] * table->size, table->size) < scores[index];
        if (is_new) chosen[taken++] = candidates[index];
        else if (passed < 256) others[passed++] = candidates[index];
    }
    for (int64_t index = 0; index < passed && taken < limit; index++) chosen[taken++] = others[index];
    return taken;
}

static void TARGET(link)(
    const vector_table *table, const vector_layer *layer, uint32_t node, uint32_t other, int64_t limit) {
    uint32_t *links = (uint32_t *)links_of(layer, node);
    if (!links) return;
    if (links[0] < limit) {
        links[++links[0]] = other;
        return;
    }
    scored_node all[257];
    const uint16_t *row = table->rows + (int64_t)node * table->size;
    int64_t count = links[0] + 1;
    for (int64_t index = 0; index < count; index++) {
        uint32_t candidate = index + 1 < count ? links[index + 1] : other;
        scored_node next = {row_product_(row, table->rows + (int64_t)candidate * table->size, table->size), candidate};
        int64_t place = index;
        for (; place > 0 && is_nearer(next, all[place - 1]); place--) all[place] = all[place - 1];
        all[place] = next;
    }
    uint32_t candidates[257];
    float scores[257];
    for (int64_t index = 0; index < count; index++) {
        candidates[index] = all[index].node;
        scores[index] = all[index].score;
    }
    links[0] = (uint32_t)TARGET(select)(table, candidates, scores, count, limit, links + 1);
}

static const vector_functions TARGET(functions) = {
    TARGET(product), TARGET(between), TARGET(walk), TARGET(select), TARGET(link),
};

#undef TARGET
#undef product_
#undef row_product_
