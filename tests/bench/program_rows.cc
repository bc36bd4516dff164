// Rows that run the programs people run: tar, grep, rm, git, sqlite, fio.
#include <sqlite3.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "tests/bench/posix_util.h"
#include "tests/bench/workload.h"

namespace kvfs::bench {
namespace {

void PrepareUntar(Workload& w) {
  w.NeedArchive();
  Check(mkdir(w.Path("tree").c_str(), 0755), "mkdir tree");
}

double Untar(Workload& w) {
  RunShell("tar -C " + Quote(w.Path("tree")) + " -xf " + Quote(w.NeedArchive()));
  w.have_tree = true;
  return 1;
}

double Grep(Workload& w) {
  // The pattern is nowhere in the tree: everything is read; grep answers 1.
  RunShell("grep -r NOWHERE_IN_THIS_TREE " + Quote(w.Path("tree")) + "; [ $? = 1 ]");
  return 1;
}

double DiskUsage(Workload& w) {
  RunShell("du -s " + Quote(w.Path("tree")));
  return 1;
}

double Remove(Workload& w) {
  RunShell("rm -rf " + Quote(w.Path("tree")));
  w.have_tree = false;
  return 1;
}

double Clone(Workload& w) {
  w.NeedClone();
  return 1;
}

double GitStatus(Workload& w) {
  const std::string output =
      CaptureShell("git -C " + Quote(w.Path("clone")) + " status --porcelain");
  if (!output.empty()) throw std::runtime_error("git status is not clean:\n" + output);
  return 1;
}

// A fifth of the files changed and committed: what `git gc` is for.
void PrepareGc(Workload& w) {
  w.NeedClone();
  RunShell(
      "cd " + Quote(w.Path("clone")) +
      " && find . -path ./.git -prune -o -name '*0.c' -print | while read -r f; do echo changed "
      ">> \"$f\"; done && git -c user.name=bench -c user.email=bench@localhost commit -q -a -m "
      "change");
}

double GitGc(Workload& w) {
  RunShell("git -C " + Quote(w.Path("clone")) + " gc -q");
  return 1;
}

void PrepareCompile(Workload& w) {
  const std::string root = w.Path("project");
  Check(mkdir(root.c_str(), 0755), "mkdir project");
  const uint64_t units = w.Scaled(24, 2);
  std::string all;
  for (uint64_t i = 0; i < units; ++i) {
    const std::string n = std::to_string(i);
    WriteFile(root + "/part" + n + ".h",
              "#pragma once\n#include <string>\nstd::string Part" + n + "(int value);\n");
    all += "#include \"part" + n + ".h\"\n";
  }
  WriteFile(root + "/all.h", "#pragma once\n" + all);
  std::string main = "#include \"all.h\"\nint main() {\n  size_t sum = 0;\n";
  for (uint64_t i = 0; i < units; ++i) {
    const std::string n = std::to_string(i);
    WriteFile(root + "/part" + n + ".cc",
              "#include \"all.h\"\n#include <map>\n#include <sstream>\n#include <vector>\n"
              "std::string Part" +
                  n +
                  "(int value) {\n  std::map<int, std::vector<std::string>> parts;\n"
                  "  std::ostringstream out;\n  out << value;\n"
                  "  parts[value].push_back(out.str());\n  return parts[value][0];\n}\n");
    main += "  sum += Part" + n + "(" + n + ").size();\n";
  }
  WriteFile(root + "/main.cc", main + "  return sum == 0;\n}\n");
}

double Compile(Workload& w) {
  RunShell("cd " + Quote(w.Path("project")) +
           " && ls *.cc | xargs -P 2 -n 1 g++ -std=c++20 -g -c && g++ -o project *.o && ./project");
  return 1;
}

void Execute(sqlite3* db, const std::string& sql) {
  char* message = nullptr;
  if (sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &message) != SQLITE_OK) {
    const std::string text = message != nullptr ? message : "unknown";
    sqlite3_free(message);
    throw std::runtime_error("sqlite: " + text + " in " + sql);
  }
}

double Sqlite(Workload& w, const std::string& mode, uint64_t transactions) {
  sqlite3* db = nullptr;
  const std::string path = w.Path("sqlite-" + mode + ".db");
  if (sqlite3_open(path.c_str(), &db) != SQLITE_OK) throw std::runtime_error("sqlite3_open");
  Execute(db, "PRAGMA journal_mode=" + mode);
  Execute(db, "PRAGMA synchronous=FULL");
  Execute(db, "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT)");
  const std::string value(100, 'v');
  for (uint64_t i = 0; i < transactions; ++i) {
    Execute(db, "INSERT INTO t(v) VALUES('" + value + "')");
  }
  sqlite3_close(db);
  return static_cast<double>(transactions);
}

double Fio(Workload& w) {
  Check(mkdir(w.Path("fio").c_str(), 0755), "mkdir fio");
  const std::string size = std::to_string(w.Scaled(64)) + "M";
  const std::string seconds = std::to_string(w.Scaled(10, 2));
  const std::string output =
      CaptureShell("fio --name=mixed --directory=" + Quote(w.Path("fio")) + " --size=" + size +
                   " --numjobs=4 --rw=randrw --rwmixread=70 --bs=4k --ioengine=psync --time_based "
                   "--runtime=" +
                   seconds + " --group_reporting --output-format=json");
  const size_t start = output.find('{');
  if (start == std::string::npos) throw std::runtime_error("fio: " + output);
  const auto json = nlohmann::json::parse(output.substr(start), nullptr, false);
  if (json.is_discarded()) throw std::runtime_error("fio: " + output);
  return json["jobs"][0]["read"]["iops"].get<double>();
}

}  // namespace

std::vector<Row> ProgramRows() {
  const auto tree = [](Workload& w) { w.NeedTree(); };
  return {
      {"untar", "untar 5,000 files", "s", false, PrepareUntar, Untar},
      {"grep", "`grep -r`, cold", "s", true, tree, Grep},
      {"du", "`du`, cold", "s", true, tree, DiskUsage},
      {"rm_rf", "`rm -rf`", "s", false, tree, Remove},
      {"git_clone", "git clone", "s", false, [](Workload& w) { w.NeedRepository(); }, Clone},
      {"git_status", "git status, cold", "s", true, [](Workload& w) { w.NeedClone(); }, GitStatus},
      {"git_gc", "git gc", "s", false, PrepareGc, GitGc},
      {"compile", "compile 25 C++ files", "s", false, PrepareCompile, Compile},
      {"sqlite_delete", "sqlite, DELETE journal", "ops/s", false, nullptr,
       [](Workload& w) { return Sqlite(w, "DELETE", w.Scaled(1000, 10)); }},
      {"sqlite_wal", "sqlite, WAL", "ops/s", false, nullptr,
       [](Workload& w) { return Sqlite(w, "WAL", w.Scaled(4000, 10)); }},
      {"fio", "fio 4 jobs 70/30 4 KiB, reads", "ops/s", false, nullptr, Fio, true},
  };
}

}  // namespace kvfs::bench
