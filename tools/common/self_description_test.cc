#include "tools/common/self_description.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kvfs::tools {
namespace {

using testing::HasSubstr;
using testing::Not;

// A program with a command below a command, options and what is hard in roff.
class Described : public testing::Test {
 protected:
  Described() : app_("prog: looks after things", "my-prog") {
    app_.add_option("--peer", peer_, "A node: HOST:PORT");
    CLI::App* kv = app_.add_subcommand("kv", "Single items");
    CLI::App* get = kv->add_subcommand("get", "Print an item");
    get->add_option("KEY", key_, "Which one")->required();
    get->add_flag("--force,-f", force_, "Even if it's not there");
    get->footer(".starts with a dot, and has a \\ in it");
  }

  CLI::App app_;
  std::string peer_;
  std::string key_;
  bool force_ = false;
};

TEST_F(Described, ManualPage) {
  const std::string page = ManualPage(app_, {8, "1.2", "other(1)"});
  EXPECT_THAT(page, HasSubstr(".TH MY-PROG 8"));
  EXPECT_THAT(page, HasSubstr("my\\-prog \\- looks after things\n"));
  EXPECT_THAT(page, HasSubstr("\\fB\\-\\-peer\\fR \\fIVALUE\\fR\nA node: HOST:PORT"));
  EXPECT_THAT(page, HasSubstr(".SS kv get\n"));
  EXPECT_THAT(page, HasSubstr("\\fB\\-f\\fR, \\fB\\-\\-force\\fR\n"));
  EXPECT_THAT(page, HasSubstr("\\fIKEY\\fR"));
  EXPECT_THAT(page, HasSubstr("\n\\&.starts with a dot, and has a \\e in it\n"));
}

TEST_F(Described, Completion) {
  const std::string bash = BashCompletion(app_);
  EXPECT_THAT(bash, HasSubstr("' kv get') at=' kv get' ;;"));
  EXPECT_THAT(bash, HasSubstr("' kv') known='get "));
  EXPECT_THAT(bash, HasSubstr("-f --force "));
  EXPECT_THAT(bash, HasSubstr("complete -o default -F _my_prog my-prog"));
  const std::string zsh = ZshCompletion(app_);
  EXPECT_THAT(zsh, HasSubstr("#compdef my-prog"));
  EXPECT_THAT(zsh, HasSubstr("'get:Print an item'"));
  EXPECT_THAT(zsh, Not(HasSubstr("it's")));
}

TEST_F(Described, OnlyWhenAsked) {
  const char* const other[] = {"my-prog", "--peer", "man"};
  EXPECT_FALSE(DescribeItself(app_, {}, 3, other));
  const char* const unknown[] = {"my-prog", "--describe", "html"};
  EXPECT_FALSE(DescribeItself(app_, {}, 3, unknown));
}

}  // namespace
}  // namespace kvfs::tools
