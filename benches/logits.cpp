// What llama.cpp answers to given tokens, for agreement.py; built by llama-cpp.sh against the peer's library.
//
// usage: logits MODEL compare|write|load [-t N] [-fa auto|on|off] [--repack 0|1] [--step N]
//   compare  reads a file of logits (benches/README.md has the format) on standard input, computes the same positions, prints JSON
//   write    reads such a file's header on standard input, and writes the file with llama.cpp's logits to standard output
//   load     loads the model, reads 512 tokens, prints JSON: milliseconds until ready, and the most memory held
// The first half of each window is read in one go, the second `--step` tokens at a time; 1 decodes them one by one.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "llama.h"

struct Options {
    std::string model, mode;
    int threads = 2, step = 64;
    bool repack = true;
    llama_flash_attn_type flash = LLAMA_FLASH_ATTN_TYPE_AUTO;
};

struct Header {
    char magic[8];
    uint32_t size = 0, width = 0, windows = 0;
    std::vector<llama_token> tokens;
};

static void need(bool holds, const char * what) {
    if (!holds) throw std::runtime_error(what);
}

static Options parse(int argc, char ** argv) {
    need(argc >= 3 && argc % 2 == 1, "usage: logits MODEL compare|write|load [-t N] [-fa auto|on|off] [--repack 0|1] [--step N]");
    Options o;
    o.model = argv[1];
    o.mode = argv[2];
    for (int i = 3; i < argc; i += 2) {
        const std::string name = argv[i], value = argv[i + 1];
        if (name == "-t") o.threads = std::stoi(value);
        else if (name == "--repack") o.repack = value != "0";
        else if (name == "--step") o.step = std::max(1, std::stoi(value));
        else if (name == "-fa") o.flash = value == "on" ? LLAMA_FLASH_ATTN_TYPE_ENABLED : value == "off" ? LLAMA_FLASH_ATTN_TYPE_DISABLED : LLAMA_FLASH_ATTN_TYPE_AUTO;
        else need(false, "unknown option");
    }
    return o;
}

static void get(void * into, size_t bytes) { need(std::fread(into, 1, bytes, stdin) == bytes, "standard input ended early"); }

static void put(const void * from, size_t bytes) { need(std::fwrite(from, 1, bytes, stdout) == bytes, "cannot write"); }

static Header read_header() {
    Header h;
    get(h.magic, 8);
    need(std::memcmp(h.magic, "_logf32_", 8) == 0, "standard input is no file of logits");
    get(&h.size, 4);
    get(&h.width, 4);
    get(&h.windows, 4);
    h.tokens.resize(size_t(h.size) * h.windows);
    get(h.tokens.data(), h.tokens.size() * 4);
    return h;
}

struct Peer {
    llama_model * model;
    llama_context * ctx;
    int width;

    Peer(const Options & o, uint32_t size) {
        llama_log_set([](ggml_log_level level, const char * text, void *) { if (level == GGML_LOG_LEVEL_ERROR) std::fputs(text, stderr); }, nullptr);
        llama_backend_init();
        auto mp = llama_model_default_params();
        mp.use_extra_bufts = o.repack;
        model = llama_model_load_from_file(o.model.c_str(), mp);
        need(model != nullptr, "the model cannot be loaded");
        auto cp = llama_context_default_params();
        cp.n_ctx = size;
        cp.n_batch = size;
        cp.n_threads = cp.n_threads_batch = o.threads;
        cp.flash_attn_type = o.flash;
        ctx = llama_init_from_model(model, cp);
        need(ctx != nullptr, "no context can be made");
        width = llama_vocab_n_tokens(llama_model_get_vocab(model));
    }

    ~Peer() {
        llama_free(ctx);
        llama_model_free(model);
        llama_backend_free();
    }

    void clear() { llama_memory_clear(llama_get_memory(ctx), true); }

    // Appends tokens at `at`; `show`, where there is one, is given the logits after each.
    void read(const llama_token * tokens, int count, int at, const std::function<void(const float *)> & show) {
        llama_batch batch = llama_batch_init(count, 0, 1);
        batch.n_tokens = count;
        for (int i = 0; i < count; i++) {
            batch.token[i] = tokens[i];
            batch.pos[i] = at + i;
            batch.n_seq_id[i] = 1;
            batch.seq_id[i][0] = 0;
            batch.logits[i] = show != nullptr;
        }
        const int failed = llama_decode(ctx, batch);
        llama_batch_free(batch);
        need(failed == 0, "llama_decode failed");
        for (int i = 0; show && i < count; i++) show(llama_get_logits_ith(ctx, i));
    }

    // The scored positions of every window, in order, each with the token that follows.
    void score(const Header & h, int step, const std::function<void(const float *, llama_token)> & each) {
        const int first = h.size / 2, last = h.size - 1;
        for (uint32_t w = 0; w < h.windows; w++) {
            const llama_token * window = h.tokens.data() + size_t(w) * h.size;
            clear();
            read(window, first, 0, nullptr);
            for (int at = first; at < last; at += step) {
                int next = at;
                read(window + at, std::min(step, last - at), at, [&](const float * row) { each(row, window[++next]); });
            }
        }
    }
};

// Of logits: the largest, where it is, and the logarithm of the sum of all exponentials.
struct Summary {
    int top = 0;
    double log_sum = 0;

    Summary(const float * row, int width) {
        top = int(std::max_element(row, row + width) - row);
        double sum = 0;
        for (int i = 0; i < width; i++) sum += std::exp(double(row[i]) - row[top]);
        log_sum = row[top] + std::log(sum);
    }
};

struct Agreement {
    size_t same = 0;
    double nll = 0, nll_peer = 0, lost = 0;
    std::vector<double> klds, distances;

    // KLD from the peer to us; `lost` is the largest lead that the peer's choice had over ours, in the peer's logits.
    void add(const float * ours, const float * peer, int width, llama_token answer) {
        const Summary us(ours, width), them(peer, width);
        double kld = 0, furthest = 0;
        for (int i = 0; i < width; i++) {
            const double lp = peer[i] - them.log_sum, lq = ours[i] - us.log_sum;
            kld += std::exp(lp) * (lp - lq);
            if (lp > -16) furthest = std::max(furthest, std::fabs(lp - lq));
        }
        klds.push_back(kld);
        distances.push_back(furthest);
        if (us.top == them.top) same++;
        else lost = std::max(lost, double(peer[them.top]) - peer[us.top]);
        nll += us.log_sum - ours[answer];
        nll_peer += them.log_sum - peer[answer];
    }

    void print() {
        const size_t n = klds.size();
        need(n > 0, "no position to compare");
        double sum = 0;
        for (double k : klds) sum += k;
        std::sort(klds.begin(), klds.end());
        std::sort(distances.begin(), distances.end());
        std::printf("{\"positions\": %zu, \"top1\": %.6f, \"kld_mean\": %.9f, \"kld_median\": %.9f, \"kld_p99\": %.9f, \"kld_max\": %.9f, "
                    "\"top1_lead_max\": %.6f, \"logprob_distance_p99\": %.6f, \"logprob_distance_max\": %.6f, \"ppl\": %.6f, \"ppl_peer\": %.6f}\n",
                    n, double(same) / n, sum / n, klds[n / 2], klds[n * 99 / 100], klds[n - 1], lost, distances[n * 99 / 100], distances[n - 1],
                    std::exp(nll / n), std::exp(nll_peer / n));
    }
};

static void compare(const Options & o) {
    const Header h = read_header();
    Peer peer(o, h.size);
    need(peer.width == int(h.width), "the vocabularies differ in size");
    std::vector<float> ours(h.width);
    Agreement agreement;
    peer.score(h, o.step, [&](const float * row, llama_token answer) {
        get(ours.data(), ours.size() * sizeof(float));
        agreement.add(ours.data(), row, peer.width, answer);
    });
    need(std::fgetc(stdin) == EOF, "more logits than positions");
    agreement.print();
}

static void write(const Options & o) {
    const Header h = read_header();
    Peer peer(o, h.size);
    const uint32_t width = peer.width;
    put(h.magic, 8);
    put(&h.size, 4);
    put(&width, 4);
    put(&h.windows, 4);
    put(h.tokens.data(), h.tokens.size() * 4);
    peer.score(h, o.step, [&](const float * row, llama_token) { put(row, size_t(width) * sizeof(float)); });
}

static void load(const Options & o) {
    const auto start = std::chrono::steady_clock::now();
    Peer peer(o, 1024);
    const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    const std::vector<llama_token> tokens(512, 1);
    peer.read(tokens.data(), 512, 0, nullptr);
    unsigned long long kib = 0;
    if (FILE * status = std::fopen("/proc/self/status", "r")) {
        char line[256];
        while (std::fgets(line, sizeof line, status)) std::sscanf(line, "VmHWM: %llu", &kib);
        std::fclose(status);
    }
    std::printf("{\"load_ms\": %.1f, \"peak_rss_bytes\": %llu}\n", ms, kib * 1024);
}

int main(int argc, char ** argv) try {
    const Options o = parse(argc, argv);
    if (o.mode == "compare") compare(o);
    else if (o.mode == "write") write(o);
    else if (o.mode == "load") load(o);
    else need(false, "the mode is compare, write or load");
    return 0;
} catch (const std::exception & error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
}
