#include "tools/common/table.h"

#include <gtest/gtest.h>

namespace kvfs::tools {
namespace {

TEST(Table, AlignsColumns) {
  EXPECT_EQ(FormatTable({"LEVEL", "TABLES"}, {{"0", "5"}, {"1", "123"}}),
            "LEVEL  TABLES\n"
            "    0       5\n"
            "    1     123\n");
  EXPECT_EQ(FormatTable({"A", "B"}, {{"long", "x"}}), "A     B\nlong  x\n");
}

TEST(Table, FactsUnderHeadings) {
  Facts facts;
  facts.Heading("One");
  facts.Add("a", "1");
  facts.Add("long", "2");
  facts.Heading("Two");
  facts.Add("b", "");
  EXPECT_EQ(facts.Text(), "One\n  a     1\n  long  2\n\nTwo\n  b     \n");
}

}  // namespace
}  // namespace kvfs::tools
