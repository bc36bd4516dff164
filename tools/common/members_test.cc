#include "tools/common/members.h"

#include <gtest/gtest.h>

namespace kvfs::tools {
namespace {

TEST(Members, AreParsed) {
  const auto members = ParseMembers("1=127.0.0.1:7101,12=[::1]:7102,3=host.example:65535");
  ASSERT_TRUE(members.ok());
  ASSERT_EQ(members->size(), 3u);
  EXPECT_EQ((*members)[1], (NodeAddress{12, "[::1]:7102"}));
}

TEST(Members, SayWhereTheyStandAndHowMuchTheyTake) {
  const auto members =
      ParseMembers("1=h:1/zone=rack-1/weight=4/datacentre=east,2=[::1]:2/weight=0,3=h:3");
  ASSERT_TRUE(members.ok()) << members.status().ToString();
  EXPECT_EQ((*members)[0], (NodeAddress{1, "h:1", "rack-1", "east", 4}));
  EXPECT_EQ((*members)[1], (NodeAddress{2, "[::1]:2", "", "", 0}));
  EXPECT_EQ((*members)[2], (NodeAddress{3, "h:3", "", "", 1}));
}

TEST(Members, WhatIsWrongIsNamed) {
  for (const char* list : {"",
                           "1",
                           "1=",
                           "0=h:1",
                           "x=h:1",
                           "1=h",
                           "1=h:0",
                           "1=h:65536",
                           "1=:1",
                           "1=h:1,",
                           "1=h:1,1=h:2",
                           "1=h:1,2=h:1",
                           "1=::1:7101",
                           "9223372036854775808=h:1",
                           "-1=h:1",
                           "1=h:1x",
                           "1=h:1/",
                           "1=h:1/zone",
                           "1=h:1/zone=",
                           "1=h:1/zone=a b",
                           "1=h:1/weight=-1",
                           "1=h:1/weight=1000001",
                           "1=h:1/rack=a"}) {
    const auto members = ParseMembers(list);
    ASSERT_FALSE(members.ok()) << list;
    EXPECT_EQ(members.status().code(), Code::kInvalidArgument);
    EXPECT_NE(members.status().message().find('\''), std::string::npos);
  }
}

TEST(Members, WithoutAddresses) {
  EXPECT_EQ(*ParseNodePlace("4"), (NodeAddress{4, ""}));
  EXPECT_EQ(*ParseNodePlace("4/weight=2/zone=a"), (NodeAddress{4, "", "a", "", 2}));
  for (const char* word : {"", "0", "x", "4/", "4/zone", "/zone=a", "4=h:1"}) {
    EXPECT_FALSE(ParseNodePlace(word).ok()) << word;
  }
}

TEST(Peers, AreParsedOnceEach) {
  const auto peers = ParsePeers("a:1,b:2,a:1");
  ASSERT_TRUE(peers.ok());
  EXPECT_EQ(*peers, (std::vector<NodeAddress>{{0, "a:1"}, {0, "b:2"}}));
  EXPECT_EQ(*ParsePeers("7=a:1"), (std::vector<NodeAddress>{{7, "a:1"}}));
  EXPECT_FALSE(ParsePeers("a:1,,b:2").ok());
  EXPECT_FALSE(ParsePeers("1=a:1:2").ok());
}

TEST(Cluster, NamesTellClustersApart) {
  EXPECT_EQ(ClusterIdOf("one")->size(), 16u);
  EXPECT_NE(*ClusterIdOf("one"), *ClusterIdOf("two"));
  EXPECT_FALSE(ClusterIdOf("").ok());
  EXPECT_FALSE(ClusterIdOf(std::string(65, 'x')).ok());
}

}  // namespace
}  // namespace kvfs::tools
