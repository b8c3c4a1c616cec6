import java.io.File;
import java.io.IOException;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hdfs.HdfsConfiguration;
import org.apache.hadoop.hdfs.server.datanode.DataNode;
import org.apache.hadoop.hdfs.server.namenode.NameNode;
import org.apache.hadoop.metrics2.lib.DefaultMetricsSystem;

/**
 * A name node and a data node of Hadoop in one process, on free ports of the loopback: {@code Hdfs FOLDER}. It prints its address and
 * runs until its standard input ends.
 */
public final class Hdfs {
    private static final String[] ADDRESSES = {
        "dfs.namenode.http-address", "dfs.datanode.address", "dfs.datanode.http.address", "dfs.datanode.ipc.address"
    };

    private Hdfs() {}

    public static void main(String[] args) throws IOException, InterruptedException {
        Configuration conf = configuration(new File(args[0]));
        // A process with both nodes registers some metrics twice.
        DefaultMetricsSystem.setMiniClusterMode(true);
        NameNode.format(conf);
        NameNode names = NameNode.createNameNode(new String[0], conf);
        String address = "hdfs://127.0.0.1:" + names.getNameNodeAddress().getPort();
        conf.set("fs.defaultFS", address);
        DataNode data = DataNode.createDataNode(new String[0], conf);
        while (names.getNamesystem().getBlockManager().getDatanodeManager().getNumLiveDataNodes() == 0) {
            Thread.sleep(20);
        }
        System.out.println(address);
        System.out.flush();
        while (System.in.read() >= 0) {}
        data.shutdown();
        names.stop();
        System.exit(0);
    }

    private static Configuration configuration(File folder) {
        Configuration conf = new HdfsConfiguration();
        conf.set("fs.defaultFS", "hdfs://127.0.0.1:0");
        conf.set("dfs.namenode.name.dir", new File(folder, "name").toURI().toString());
        conf.set("dfs.datanode.data.dir", new File(folder, "data").toURI().toString());
        for (String key : ADDRESSES) {
            conf.set(key, "127.0.0.1:0");
        }
        conf.setInt("dfs.replication", 1);
        // Its web interface needs libraries that the package does not have.
        conf.setBoolean("dfs.webhdfs.enabled", false);
        conf.setBoolean("dfs.permissions.enabled", false);
        return conf;
    }
}
