// LevelDB's own open and iterate of a directory, checksums verified. Prints seconds, entries and bytes.
#include <leveldb/db.h>

#include <chrono>
#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const auto begun = std::chrono::steady_clock::now();
  leveldb::DB* db = nullptr;
  if (!leveldb::DB::Open(leveldb::Options(), argv[1], &db).ok()) return 1;
  leveldb::ReadOptions options;
  options.verify_checksums = true;
  options.fill_cache = false;
  unsigned long entries = 0, bytes = 0;
  leveldb::Iterator* at = db->NewIterator(options);
  for (at->SeekToFirst(); at->Valid(); at->Next()) {
    entries += 1;
    bytes += at->value().size();
  }
  const bool well = at->status().ok();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  delete at;
  delete db;
  std::printf("%f %lu %lu\n", took.count(), entries, bytes);
  return well ? 0 : 1;
}
