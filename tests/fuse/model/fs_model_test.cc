// fs_model_test DIR: random file system calls on DIR and on a local directory in
// lockstep; the first difference is a failure, printed with the command that
// replays it. Both directories must be empty of "model"; see doc/testing.md.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <random>

#include "tests/fuse/model/model.h"

int main(int argc, char** argv) {
  CLI::App app("Random file system calls on DIR and a reference directory in lockstep.");
  kvfs::model::Options options;
  std::string reference_base = "/tmp";
  options.seed = std::random_device{}();
  bool no_fsync = false;
  app.add_option("DIR", options.under_test, "The directory under test")->required();
  app.add_option("--reference", reference_base, "Where the reference directory is made")
      ->capture_default_str();
  app.add_option("--seed", options.seed, "Default: drawn, and printed");
  app.add_option("--ops", options.operations, "Number of operations")->capture_default_str();
  app.add_option("--compare-every", options.compare_every, "Operations between comparisons")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--every", options.hook_every, "Operations between runs of the hook");
  app.add_option("--hook", options.hook,
                 "Command run with all files closed, for instance to kill and remount");
  app.add_option("--log", options.log, "Write every operation to this file");
  app.add_flag("--no-fsync", no_fsync, "Leave fsync out");
  CLI11_PARSE(app, argc, argv);
  options.fsync = !no_fsync;
  if (options.hook.empty()) options.hook_every = 0;

  std::string reference = reference_base + "/fs_model_reference.XXXXXX";
  if (mkdtemp(reference.data()) == nullptr || chmod(reference.c_str(), 0755) != 0) {
    perror(reference.c_str());
    return 1;
  }
  options.reference = reference;
  setvbuf(stdout, nullptr, _IOLBF, 0);
  printf("fs_model_test: seed %lu, %lu operations\n", options.seed, options.operations);

  int status = 1;
  try {
    kvfs::model::Model model(options);
    try {
      model.Run();
      printf("fs_model_test: %lu operations agree (%lu calls succeeded)\n", model.operations_done(),
             model.succeeded());
      status = 0;
    } catch (const std::exception& failure) {
      printf("The last operations were:\n");
      for (const std::string& line : model.last_operations()) printf("  %s\n", line.c_str());
      printf("FAILED: %s\n", failure.what());
      printf("Replay: %s %s --seed %lu --ops %lu --compare-every %lu", argv[0],
             options.under_test.c_str(), options.seed, options.operations, options.compare_every);
      if (options.hook_every != 0) {
        printf(" --every %lu --hook '%s'", options.hook_every, options.hook.c_str());
      }
      printf("%s\n", no_fsync ? " --no-fsync" : "");
    }
  } catch (const std::exception& failure) {
    printf("FAILED: %s\n", failure.what());
  }
  std::error_code ignored;
  std::filesystem::remove_all(reference, ignored);
  if (status == 0) std::filesystem::remove_all(options.under_test + "/model", ignored);
  return status;
}
